"""The contracts of the messages."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nocturne.store.collections import FEATURES_PER_TRACK
from nocturne.store.tracks import hash_content

Finite = Annotated[float, Field(allow_inf_nan=False)]


class TrackFeatures(BaseModel):
    """A value of `tracks.features`: one track as a run found it.

    `as_of` is the end of the run's data interval; `features` are the 518 values of
    `feature_set`, in the order of `nocturne.audio.names`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(1, alias="schema")
    track_id: str = Field(min_length=1, max_length=200)
    as_of: datetime
    run_id: str
    metadata: dict[str, Any]
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
