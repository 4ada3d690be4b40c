"""What the API answers, beside the contracts of the messages."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from nocturne.stream.messages import Recommendations, RecommendedTrack, UserActivity

Text = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
MOST_EVENTS = 1_000
MOST_SONGS = 50
MOST_LISTED = 100
MOST_RECOMMENDED = 50


class Listing(Recommendations):
    """As many tracks as were asked for, unless there are fewer that may be shown."""

    tracks: list[RecommendedTrack] = Field(max_length=MOST_RECOMMENDED)


class TrackSummary(BaseModel):
    track_id: str
    title: str
    artist: str


class Neighbour(TrackSummary):
    """`score` is the cosine of two tracks in the space of similar tracks, `distance` 1 less it."""

    score: float
    distance: float
    cluster: int | None
    reason: str


class SimilarTracks(BaseModel):
    version: str
    track: TrackSummary
    cluster: int | None
    similar: list[Neighbour]


class FeatureSeries(BaseModel):
    """A series of features: its mean and standard deviation over the track, a value a band."""

    name: str
    mean: list[float]
    std: list[float]


class Track(TrackSummary):
    album: str | None
    genre: str | None
    duration_seconds: float | None
    has_audio: bool
    version: str
    cluster: int | None
    features: list[FeatureSeries]


class Found(BaseModel):
    """`guessed` if nothing is called so, and these are near in spelling."""

    tracks: list[TrackSummary]
    guessed: bool


class Song(BaseModel):
    """A song as people name it; `artists` is one name or several."""

    model_config = ConfigDict(extra="forbid")

    track_name: Text
    artists: Text | Annotated[list[Text], Field(max_length=20)] | None = None


class Candidate(TrackSummary):
    """`similarity` is that of the names, 0 to 100."""

    similarity: float


class MatchedSong(BaseModel):
    """`track` is the one that is meant, None if that is unclear: then see `candidates`. It is
    `guessed` if it is not written as it was asked for.
    """

    asked: Song
    track: TrackSummary | None
    guessed: bool
    candidates: list[Candidate]


class SongRecommendations(BaseModel):
    """Tracks near to all that were matched, the nearest first."""

    version: str
    matched: list[MatchedSong]
    recommendations: list[Neighbour]


class Accepted(BaseModel):
    accepted: int


class Health(BaseModel):
    """`checks` says of each server whether it answers, or why not."""

    status: str
    checks: dict[str, str] = {}


class Version(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: str
    data_date: str
    state: str
    live: bool
    made_at: datetime | None
    run_id: str | None


class Tenure(BaseModel):
    """A time in which a version was live; `until` is None if it is."""

    version: str
    since: datetime
    until: datetime | None
    because: str


class Versions(BaseModel):
    live: str | None
    versions: list[Version]
    history: list[Tenure]


class Verdict(BaseModel):
    rule: str
    passed: bool
    value: float | None
    threshold: float | None
    meaning: str


class VersionDetail(Version):
    verdicts: list[Verdict]
    clustering: dict[str, Any] | None
    ranking: dict[str, Any] | None
    tables: dict[str, Any]


class Dot(BaseModel):
    """A track on the map: its first two principal components."""

    track_id: str
    title: str
    artist: str
    x: float
    y: float
    cluster: int | None


class Map(BaseModel):
    """`explained` are the components' shares of the variance."""

    version: str
    explained: list[float]
    dots: list[Dot]


class Simulation(BaseModel):
    running: bool
    listeners: int
    rate: float
    sent: int


class SimulationOrder(BaseModel):
    """`rate` is in events a second, of all listeners together."""

    model_config = ConfigDict(extra="forbid")

    running: bool
    listeners: int = Field(10, ge=1, le=1_000)
    rate: float = Field(2.0, gt=0, le=200)


def require_not_to_come(events: list[UserActivity]) -> list[UserActivity]:
    now = datetime.now(UTC)
    for place, event in enumerate(events):
        if why := event.why_too_early(now):
            raise ValueError(f"event {place}: {why}")
    return events


Events = Annotated[
    list[UserActivity],
    Field(min_length=1, max_length=MOST_EVENTS),
    AfterValidator(require_not_to_come),
]
Songs = Annotated[list[Song], Field(min_length=1, max_length=MOST_SONGS)]
