"""The contracts of the messages."""

import re
import unicodedata
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
)

from nocturne.listener_names import settle_name
from nocturne.store.collections import FEATURES_PER_TRACK
from nocturne.store.hashes import hash_track

Document = dict[str, Any]


def to_utc(moment: datetime) -> datetime:
    """The same moment in UTC, to the millisecond, as MongoDB stores it.

    Raises ValueError near the years 1 and 9999, where there is none.
    """
    try:
        utc = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error
    beyond = utc.microsecond % 1000
    return utc.replace(microsecond=utc.microsecond - beyond) if beyond else utc


def require_written_out(moment: object) -> object:
    """Numbers, and texts of digits, would be guessed to be seconds or milliseconds."""
    if isinstance(moment, datetime) or (isinstance(moment, str) and RFC_3339.fullmatch(moment)):
        return moment
    raise ValueError("is no time as RFC 3339 writes it, like 2026-11-27T20:15:00Z")


def require_plausible(moment: datetime) -> datetime:
    if moment < EARLIEST:
        raise ValueError(f"lies before {EARLIEST:%Y-%m-%d}: no clock was right then")
    return moment


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What programs write that know no time lies before: 1, 1601, 1899, 1970, 1980."""
LONGEST_AHEAD = timedelta(days=1)
"""So far may a time lie after its message was sent: clocks differ, and zones are confused."""
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(require_written_out),
    AfterValidator(to_utc),
    AfterValidator(require_plausible),
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Long = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Scalar = Annotated[StrictStr | StrictBool | Long | Real | None, Field(union_mode="left_to_right")]
FieldName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")]
Identifier = Annotated[str, Field(min_length=1, max_length=200)]


class Record(BaseModel, ABC):
    """A value of a topic that becomes a document; a subclass adds the fields.

    Whatever keeps the contract, MongoDB can store.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(alias="schema")

    @abstractmethod
    def key(self) -> str:
        """The key that the message must have: records of one key stay in order."""

    def has_key(self, key: bytes | None) -> bool:
        """Is that the message's key?"""
        return key == self.key().encode()

    @abstractmethod
    def to_document(self) -> Document:
        """The document, without its `source`."""

    def precedence(self) -> Document:
        """What comes before time and place of sending when records of one id are ordered."""
        return {}

    @abstractmethod
    def happened_at(self) -> datetime:
        """When what it tells of was so: at most LONGEST_AHEAD after it was sent."""

    def why_too_early(self, sent_at: datetime) -> str:
        """Why it cannot have been sent then; empty if it can. A time that is to come would stand
        before everything that is done until then.
        """
        if self.happened_at() <= sent_at + LONGEST_AHEAD:
            return ""
        return (
            f"{self.happened_at().isoformat()} lies more than a day after"
            f" {sent_at.isoformat(timespec='seconds')}, when it was sent"
        )


class TrackFeatures(Record):
    """A value of `tracks.features`: one track as a run found it.

    `as_of` is the end of the run's data interval; `features` are the 518 values of
    `feature_set`, in the order of `nocturne.audio.names`. `metadata` is flat.
    """

    track_id: Identifier
    as_of: Moment
    run_id: str
    metadata: dict[FieldName, Scalar | list[Scalar]]
    audio_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    feature_set: str
    features: list[Finite] = Field(min_length=FEATURES_PER_TRACK, max_length=FEATURES_PER_TRACK)

    def key(self) -> str:
        return self.track_id

    def to_document(self) -> Document:
        return {
            **self.content(),
            "content_sha256": self.content_sha256(),
            "run_id": self.run_id,
        }

    def content(self) -> Document:
        """What the track is, whichever run found it."""
        return {
            "_id": self.track_id,
            "metadata": self.metadata,
            "audio_sha256": self.audio_sha256,
            "feature_set": self.feature_set,
            "features": self.features,
        }

    def content_sha256(self) -> str:
        return hash_track(self.content())

    def precedence(self) -> Document:
        return {"as_of": self.as_of}

    def happened_at(self) -> datetime:
        return self.as_of


class UserActivity(Record):
    """A value of `user_activity`: what a listener did with a track.

    `at` is when the action came, `ms_played` how far into the track.
    """

    LONGEST_PLAY_MS: ClassVar[int] = 24 * 60 * 60 * 1000

    event_id: Identifier
    user_id: Annotated[Identifier, AfterValidator(settle_name)]
    track_id: Identifier
    action: Literal["listen", "like", "skip", "hide"]
    at: Moment
    ms_played: int = Field(strict=True, ge=0, le=LONGEST_PLAY_MS)

    def key(self) -> str:
        return self.user_id

    def has_key(self, key: bytes | None) -> bool:
        """Its sender may have spelt the name in another of Unicode's forms."""
        spelt = (key or b"").decode(errors="replace")
        return super().has_key(key) or unicodedata.normalize("NFC", spelt) == self.user_id

    def happened_at(self) -> datetime:
        return self.at

    def to_document(self) -> Document:
        return {
            "_id": self.event_id,
            "user_id": self.user_id,
            "track_id": self.track_id,
            "action": self.action,
            "at": self.at,
            "ms_played": self.ms_played,
        }


class RecommendedTrack(BaseModel):
    """One of the tracks of `Recommendations`; `because` is the track that speaks most for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track_id: Identifier
    title: str
    artist: str
    score: Finite
    reason: str
    because: Identifier | None


class Recommendations(BaseModel):
    """A value of `recommendations`: what a listener is shown from now on.

    Of a listener's lists the one with the highest `seq` is the newest; 0 is a list that nothing the
    listener did has moved yet, which is never sent. There are fewer than three
    tracks if there are no more that they may be shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(alias="schema")
    user_id: Identifier
    seq: int = Field(ge=0)
    version: str
    at: Moment
    tracks: list[RecommendedTrack] = Field(max_length=3)
