"""What FMA's files are called, which of their columns we use, and under what names.

Two editions of FMA's metadata are understood: the raw one (`raw_tracks.csv`, one header row,
names such as `track_title`) and the published one (`tracks.csv`, two header rows, names such as
`track` over `title`, which we join to `track.title`). Which edition a file is shows in its
header, not in its name.
"""

import json
import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from nocturne.catalogue.convert import clean_texts, map_unique, normalise_ids
from nocturne.catalogue.read import Columns, Table, read_table, read_text
from nocturne.errors import BadInput
from nocturne.refusals import Refusal

log = logging.getLogger(__name__)

PATTERNS = {
    "tracks": ("tracks.csv", "raw_tracks.csv", "raw_tracks*.csv"),
    "genres": ("genres.csv", "raw_genres.csv", "raw_genres*.csv"),
    "albums": ("albums.csv", "raw_albums.csv", "raw_albums*.csv"),
    "artists": ("artists.csv", "raw_artists.csv", "raw_artists*.csv"),
    "echonest": ("echonest.csv", "echonest*.csv", "echonest*.json"),
}
"""Names of each kind of file, the preferred first. FMA's archive holds both `tracks.csv` and
`raw_tracks.csv`; the first is the one that its authors corrected (durations, dates)."""

ECHONEST_FEATURES = (
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "tempo",
    "valence",
)

TRACK_COLUMNS: Columns = {
    "track_id": (),
    "title": ("track_title", "track.title"),
    "artist_id": ("artist.id",),
    "artist_name": ("artist.name",),
    "album_id": ("album.id",),
    "album_title": ("album.title",),
    "genres": ("track_genres", "track.genres", "genre_ids", "genre_id"),
    "genre_top": ("track.genre_top", "top_genre_title"),
    "duration": ("track_duration", "track.duration", "duration_seconds"),
    "listens": ("track_listens", "track.listens"),
    "favorites": ("track_favorites", "track.favorites"),
    "bit_rate": ("track_bit_rate", "track.bit_rate"),
    "date_created": ("track_date_created", "track.date_created"),
    "license": ("license_title", "track.license"),
}
GENRE_COLUMNS: Columns = {
    "genre_id": (),
    "genre_title": ("title",),
    "parent_id": ("parent", "genre_parent_id"),
    "top_level": (),
}
ALBUM_COLUMNS: Columns = {"album_id": (), "album_title": ("title",)}
ARTIST_COLUMNS: Columns = {"artist_id": (), "artist_name": ("name",)}
ECHONEST_COLUMNS: Columns = {
    "track_id": (),
    **{name: (f"echonest.audio_features.{name}",) for name in ECHONEST_FEATURES},
}
ID_COLUMNS = {"track_id", "artist_id", "album_id", "genre_id", "parent_id", "top_level"}


@dataclass(frozen=True)
class Metadata:
    """The tables of a metadata folder, cleaned text still; optional ones may have no rows.

    `refusals` are rows, and whole optional files, that could not be used.
    """

    tracks: Table
    genres: pd.DataFrame
    albums: pd.DataFrame
    artists: pd.DataFrame
    echonest: pd.DataFrame
    refusals: list[Refusal]


def load_metadata(folder: Path) -> Metadata:
    """Read all that the folder has. Raises BadInput if its tracks cannot be read at all."""
    files = find_metadata(folder)
    refusals: list[Refusal] = []
    artists = load_optional(files["artists"], ARTIST_COLUMNS, "artist_id", refusals)
    return Metadata(
        tracks=load_tracks(folder, files["tracks"], has_artists=not artists.empty),
        genres=load_optional(files["genres"], GENRE_COLUMNS, "genre_id", refusals),
        albums=load_optional(files["albums"], ALBUM_COLUMNS, "album_id", refusals),
        artists=artists,
        echonest=load_optional(files["echonest"], ECHONEST_COLUMNS, "track_id", refusals),
        refusals=refusals,
    )


def find_metadata(folder: Path) -> dict[str, list[Path]]:
    """The file to read of each kind; of genres all there are, since they complete one another.

    Raises BadInput if the folder cannot be listed.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise BadInput(
            f"The metadata folder {folder} cannot be read ({error.strerror}). Give a folder that"
            " holds FMA's tracks.csv or raw_tracks.csv (NOCTURNE_METADATA_DIR or --metadata)."
        ) from error
    found = {}
    for kind, patterns in PATTERNS.items():
        matches = match_files(files, patterns)
        found[kind] = matches if kind == "genres" else matches[:1]
        log_choice(kind, found[kind], matches[len(found[kind]) :])
    return found


def log_choice(kind: str, read: list[Path], left: list[Path]) -> None:
    names = ", ".join(path.name for path in read) or "no file; their columns stay null"
    unread = f" (not read: {', '.join(path.name for path in left)})" if left else ""
    log.info("%s: %s%s", kind, names, unread)


def match_files(files: list[Path], patterns: tuple[str, ...]) -> list[Path]:
    matches = [
        path for pattern in patterns for path in files if fnmatchcase(path.name.lower(), pattern)
    ]
    return list(dict.fromkeys(matches))


def load_tracks(folder: Path, files: list[Path], has_artists: bool) -> Table:
    if not files:
        raise BadInput(
            f"There is no tracks file in the metadata folder {folder}; looked for"
            f" {', '.join(PATTERNS['tracks'])}. Put FMA's tracks.csv or raw_tracks.csv there."
        )
    try:
        table = read_table(files[0], TRACK_COLUMNS, "track_id")
    except OSError as error:
        raise BadInput(
            f"The tracks file {files[0]} cannot be read ({error.strerror}). Make it readable."
        ) from error
    needed = ["track_id", "title", "artist_id" if has_artists else "artist_name"]
    require_columns(files[0], table, needed)
    return Table(table.source, clean_frame(table.frame), table.found, table.refusals)


def require_columns(path: Path, table: Table, needed: list[str]) -> None:
    missing = [name for name in needed if not is_found(name, TRACK_COLUMNS, table)]
    if missing == ["artist_id"] and is_found("artist_name", TRACK_COLUMNS, table):
        return
    if missing:
        spellings = "; ".join(" or ".join((*TRACK_COLUMNS[name][:2], name)) for name in needed)
        raise BadInput(
            f"The tracks file {path} lacks a needed column ({', '.join(missing)}). Needed are:"
            f" {spellings}. Found are: {', '.join(filter(None, table.found)) or 'none'}."
            " Rename the columns or give FMA's own file."
        )


def is_found(name: str, columns: Columns, table: Table) -> bool:
    return any(spelling in table.found for spelling in (name, *columns[name]))


def load_optional(
    files: list[Path], columns: Columns, key: str, refusals: list[Refusal]
) -> pd.DataFrame:
    """The rows of the files with one row a `key`, the first of each; what is bad is refused."""
    frames = [pd.DataFrame(columns=["line", *columns, "source"], dtype="string")]
    for path in files:
        try:
            table = read_json(path, columns) if is_json(path) else read_table(path, columns, key)
        except (OSError, ValueError, RecursionError) as error:
            refusals.append(Refusal(path.name, "", "file_unreadable", f"{error}"[:200]))
            continue
        if not is_found(key, columns, table):
            reason = f"no column {key}; found are: {', '.join(table.found[:20])}"
            refusals.append(Refusal(path.name, "", "columns_missing", reason))
            continue
        refusals += table.refusals
        rows = clean_frame(table.frame).assign(source=table.source)
        frames.append(keep_first(rows, key, refusals))
    return pd.concat(frames).drop_duplicates(key).reset_index(drop=True)


def is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def read_json(path: Path, columns: Columns) -> Table:
    """Read column-oriented JSON, `{column: {row: value}}`. Raises ValueError if it is not."""
    content = json.loads(read_text(path))
    if not isinstance(content, dict) or not all(isinstance(c, dict) for c in content.values()):
        raise ValueError("not column-oriented JSON: {column: {row: value}} is needed")
    chosen = {name: content[name] for name in columns if name in content}
    frame = pd.DataFrame(chosen, dtype=object).reindex(columns=list(columns))
    frame = frame.map(str, na_action="ignore").astype("string")
    frame.insert(0, "line", range(1, len(frame) + 1))
    return Table(path.name, frame, list(content), [])


def keep_first(frame: pd.DataFrame, key: str, refusals: list[Refusal]) -> pd.DataFrame:
    """Refuse rows without key or with the key of an earlier, different row."""
    frame = frame.drop_duplicates([name for name in frame.columns if name != "line"])
    missing = frame[key].isna()
    repeated = ~missing & frame[key].duplicated()
    for row in frame[missing].to_dict("records"):
        place = f"line {row['line']}"
        refusals.append(Refusal(row["source"], place, f"{key}_missing", f"{place} has no {key}"))
    for row in frame[repeated].to_dict("records"):
        reason = f"line {row['line']} differs from an earlier row with this {key}"
        refusals.append(Refusal(row["source"], row[key], f"{key}_duplicate", reason))
    return frame[~missing & ~repeated]


def clean_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Text cleaned and ids normalised; what is left empty is null."""
    return frame.assign(**{str(name): clean_column(str(name), frame[name]) for name in frame})


def clean_column(name: str, values: pd.Series) -> pd.Series:
    if name == "line":
        return values
    if name == "genres":  # its titles are cleaned once the list is parsed
        return map_unique(values, lambda text: text.strip() or None, "string")
    return normalise_ids(values) if name in ID_COLUMNS else clean_texts(values)
