"""The contracts of the messages."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
)

from nocturne.store.collections import FEATURES_PER_TRACK
from nocturne.store.tracks import hash_content


def to_utc(moment: datetime) -> datetime:
    """The same moment in UTC, which MongoDB stores; near the years 1 and 9999 there is none."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


Moment = Annotated[AwareDatetime, AfterValidator(to_utc)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Long = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Scalar = Annotated[StrictStr | StrictBool | Long | Real | None, Field(union_mode="left_to_right")]
FieldName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")]


class TrackFeatures(BaseModel):
    """A value of `tracks.features`: one track as a run found it.

    `as_of` is the end of the run's data interval; `features` are the 518 values of
    `feature_set`, in the order of `nocturne.audio.names`. `metadata` is flat: whatever keeps this
    contract, MongoDB can store.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(alias="schema")
    track_id: str = Field(min_length=1, max_length=200)
    as_of: Moment
    run_id: str
    metadata: dict[FieldName, Scalar | list[Scalar]]
    audio_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    feature_set: str
    features: list[Finite] = Field(min_length=FEATURES_PER_TRACK, max_length=FEATURES_PER_TRACK)

    def to_document(self, sent_at: datetime, source: dict[str, Any]) -> dict[str, Any]:
        """The document of `tracks`; `source` is the topic, partition and offset it came from."""
        content = {
            "_id": self.track_id,
            "metadata": self.metadata,
            "audio_sha256": self.audio_sha256,
            "feature_set": self.feature_set,
            "features": self.features,
        }
        return {
            **content,
            "content_sha256": hash_content(content),
            "as_of": self.as_of,
            "sent_at": sent_at,
            "run_id": self.run_id,
            "source": source,
        }
