"""The contracts of tables, in pandera: what a row must be to be taken, and what we hand on."""

from typing import Annotated

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from nocturne.catalogue import convert

Text = pd.StringDtype
Moment = Annotated[pd.DatetimeTZDtype, "us", "UTC"]
Count = pd.Int64Dtype
Number = pd.Float64Dtype

RULES = {
    "track_id_missing": "has no track id",
    "track_id_malformed": "has a track id that is neither FMA's number nor a Spotify id",
    "title_missing": "has no title",
    "artist_name_missing": "has no artist",
    "duration_invalid": "has a duration that is neither seconds nor minutes:seconds",
    "date_created_invalid": "has a date that is neither FMA's nor ISO 8601",
    "genres_invalid": "has genres that are not a list of genre ids",
    "listens_invalid": "has a number of listens that is not a whole number",
    "favorites_invalid": "has a number of favorites that is not a whole number",
    "bit_rate_invalid": "has a bit rate that is not a whole number",
    "track_id_duplicate": "differs from an earlier row with this track id",
}
"""Rule → what a row that breaks it is like. A row is refused by the first that it breaks."""


class TrackRow(pa.DataFrameModel):
    """A row of the tracks file, cleaned text still: rules are named as in `RULES`.

    Without a duration, a date, a count, an album or a genre a track is still a track.
    """

    track_id: Text
    title: Text
    artist_name: Text
    duration: Text = pa.Field(nullable=True)
    date_created: Text = pa.Field(nullable=True)
    genres: Text = pa.Field(nullable=True)
    listens: Text = pa.Field(nullable=True)
    favorites: Text = pa.Field(nullable=True)
    bit_rate: Text = pa.Field(nullable=True)

    @pa.check("track_id", name="track_id_malformed")
    @classmethod
    def is_track_id(cls, values: pd.Series) -> pd.Series:
        return convert.map_unique(values, convert.is_track_id, "bool")

    @pa.check("duration", name="duration_invalid")
    @classmethod
    def is_duration(cls, values: pd.Series) -> pd.Series:
        return convert.parse_durations(values).notna()

    @pa.check("date_created", name="date_created_invalid")
    @classmethod
    def is_date(cls, values: pd.Series) -> pd.Series:
        return convert.parse_dates(values).notna()

    @pa.check("genres", name="genres_invalid")
    @classmethod
    def is_genre_list(cls, values: pd.Series) -> pd.Series:
        return convert.parse_genre_lists(values).notna()

    @pa.check("listens", name="listens_invalid")
    @classmethod
    def is_listens(cls, values: pd.Series) -> pd.Series:
        return is_count(values)

    @pa.check("favorites", name="favorites_invalid")
    @classmethod
    def is_favorites(cls, values: pd.Series) -> pd.Series:
        return is_count(values)

    @pa.check("bit_rate", name="bit_rate_invalid")
    @classmethod
    def is_bit_rate(cls, values: pd.Series) -> pd.Series:
        return is_count(values)


class CatalogueTrack(pa.DataFrameModel):
    """A row of the landed catalogue. Lists hold text: ids, and a title or None for each id."""

    track_id: Text = pa.Field(unique=True)
    title: Text
    artist_id: Text = pa.Field(nullable=True)
    artist_name: Text
    album_id: Text = pa.Field(nullable=True)
    album_title: Text = pa.Field(nullable=True)
    genre_id: Text = pa.Field(nullable=True)
    genre_title: Text = pa.Field(nullable=True)
    genre_ids: object
    genre_titles: object
    top_genre_title: Text = pa.Field(nullable=True)
    duration_seconds: Number = pa.Field(nullable=True, ge=0)
    listens: Count = pa.Field(nullable=True, ge=0)
    favorites: Count = pa.Field(nullable=True, ge=0)
    bit_rate: Count = pa.Field(nullable=True, ge=0)
    date_created: Moment = pa.Field(nullable=True)
    license: Text = pa.Field(nullable=True)
    echonest_acousticness: Number = pa.Field(nullable=True)
    echonest_danceability: Number = pa.Field(nullable=True)
    echonest_energy: Number = pa.Field(nullable=True)
    echonest_instrumentalness: Number = pa.Field(nullable=True)
    echonest_liveness: Number = pa.Field(nullable=True)
    echonest_speechiness: Number = pa.Field(nullable=True)
    echonest_tempo: Number = pa.Field(nullable=True)
    echonest_valence: Number = pa.Field(nullable=True)
    audio_path: Text = pa.Field(unique=True)
    audio_bytes: int = pa.Field(ge=0)
    audio_sha256: Text = pa.Field(str_matches="^[0-9a-f]{64}$")

    class Config:
        strict = True
        ordered = True


COLUMNS = list(CatalogueTrack.to_schema().columns)
DTYPES = {name: column.dtype.type for name, column in CatalogueTrack.to_schema().columns.items()}


def is_count(values: pd.Series) -> pd.Series:
    return convert.map_unique(values, convert.parse_count, "Int64").notna()


def find_broken_rules(rows: pd.DataFrame) -> pd.Series:
    """The first of `RULES` that each bad row breaks, by the row's index; no good rows."""
    try:
        TrackRow.validate(rows, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        rules = cases["check"].where(cases["check"] != "not_nullable", cases["column"] + "_missing")
        ranks = {rule: rank for rank, rule in enumerate(RULES)}
        first = rules.map(ranks).groupby(cases["index"].astype(int)).min()
        return pd.Series(first.map(dict(enumerate(RULES))), dtype=object)
    return pd.Series(dtype=object)
