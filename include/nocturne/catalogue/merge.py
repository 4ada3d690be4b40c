"""Tracks merged with albums, artists, genres and Echo Nest features, text turned into values."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nocturne.catalogue import convert
from nocturne.catalogue.fma import ECHONEST_FEATURES
from nocturne.refusals import Refusal

log = logging.getLogger(__name__)


def fill_names(rows: pd.DataFrame, albums: pd.DataFrame, artists: pd.DataFrame) -> pd.DataFrame:
    """Album and artist names that the tracks file lacks, by album_id and artist_id."""
    album_titles = albums.set_index("album_id")["album_title"]
    artist_names = artists.set_index("artist_id")["artist_name"]
    return rows.assign(
        album_title=rows["album_title"].fillna(look_up(rows["album_id"], album_titles)),
        artist_name=rows["artist_name"].fillna(look_up(rows["artist_id"], artist_names)),
    )


def look_up(ids: pd.Series, values: pd.Series) -> pd.Series:
    return ids.astype(object).map(values.astype(object).to_dict()).astype("string")


def convert_values(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        duration_seconds=convert.parse_durations(rows["duration"]),
        listens=convert.parse_counts(rows["listens"]),
        favorites=convert.parse_counts(rows["favorites"]),
        bit_rate=convert.parse_counts(rows["bit_rate"]),
        date_created=convert.parse_dates(rows["date_created"]),
    )


def find_roots(genres: pd.DataFrame) -> dict[str, str]:
    """The topmost genre of each: `top_level` where the file has it, else up the parents.

    FMA writes 0 or nothing for no parent. A parent that is not in the file, or a circle, ends
    the climb: raw_genres.csv names three parents that no longer exist.
    """
    parents = dict(zip(genres["genre_id"], genres["parent_id"], strict=True))
    tops = dict(zip(genres["genre_id"], genres["top_level"], strict=True))
    return {genre: climb_genres(genre, parents, tops) for genre in parents}


def climb_genres(genre: str, parents: Mapping[str, str], tops: Mapping[str, str]) -> str:
    passed = {genre}
    while True:
        if tops[genre] in parents:
            return tops[genre]
        parent = parents[genre]
        if parent not in parents or parent in passed:
            return genre
        passed.add(parent)
        genre = parent


def add_genres(rows: pd.DataFrame, genres: pd.DataFrame) -> pd.DataFrame:
    """Genre columns: the first genre of a track's list is its genre.

    Titles are those of the genres file, else those that the list itself gives, else null. The
    top genre is the root above the first one, else the one that `tracks.csv` names.
    """
    known = genres.dropna(subset="genre_title").set_index("genre_id")["genre_title"].to_dict()
    lists = convert.parse_genre_lists(rows["genres"])
    ids = [[genre_id for genre_id, _ in genre_list] for genre_list in lists]
    titles = [[known.get(genre_id, own) for genre_id, own in genre_list] for genre_list in lists]
    unknown = {genre_id for genre_list in ids for genre_id in genre_list} - set(known)
    if unknown:
        log.warning(
            "%d genre ids are not in the genres file: %s", len(unknown), sorted(unknown)[:9]
        )
    added = rows.assign(
        genre_id=take_first(ids, rows.index),
        genre_title=take_first(titles, rows.index),
        genre_ids=pd.Series(ids, index=rows.index, dtype=object),
        genre_titles=pd.Series(titles, index=rows.index, dtype=object),
    )
    roots = pd.Series(find_roots(genres), dtype=object).map(known)
    tops = look_up(added["genre_id"], roots)
    return added.assign(top_genre_title=tops.fillna(rows["genre_top"]))


def take_first(lists: list[list[str]], index: pd.Index) -> pd.Series:
    return pd.Series([next(iter(items), None) for items in lists], index=index, dtype="string")


def parse_echonest(echonest: pd.DataFrame) -> tuple[pd.DataFrame, list[Refusal]]:
    """Features by track id, as numbers; a row with text that is not a number is refused."""
    text = echonest[list(ECHONEST_FEATURES)]
    values = text.apply(lambda column: pd.to_numeric(column.astype(object), errors="coerce"))
    values = values.astype("float64")
    bad = (text.notna() & ~np.isfinite(values)).any(axis=1)
    refusals = [
        Refusal(row["source"], row["track_id"], "echonest_invalid", "not all are numbers")
        for row in echonest[bad].to_dict("records")
    ]
    features = values.astype("Float64").add_prefix("echonest_")
    return features.set_index(echonest["track_id"])[~bad.to_numpy()], refusals


def add_echonest(rows: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Echo Nest features by track_id; null for the tracks that Echo Nest did not know."""
    return rows.merge(features, how="left", left_on="track_id", right_index=True)
