"""Where everything is.

Each field is set by the environment variable NOCTURNE_<FIELD>, or by a line NOCTURNE_<FIELD>=…
in the file settings.env of NOCTURNE_HOME; the environment goes first. The addresses of the embedded
servers are known once they have been up: `nocturne.stack.services.find_services` fills them in,
and hands them to Airflow's tasks as the same variables. Call `load_settings` inside functions,
never while a module is imported.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from nocturne.audio.names import (
    SampleRate,
    parse_sample_rate,
    require_excerpt,
    require_sample_rate,
)
from nocturne.errors import Misuse

SETTINGS_FILE = "settings.env"
PATTERN_SIGNS = frozenset("*?[]{}\\")
LONGEST_HOURS = 8760
"""A year: what waits longer than that for a person is a mistake in the settings."""
PROJECT = Path(__file__).resolve().parents[2]


def check_rate(value: str | int) -> SampleRate:
    rate = parse_sample_rate(value)
    require_sample_rate(rate)
    return rate


def check_excerpt(seconds: float) -> float:
    require_excerpt(seconds)
    return seconds


def explain(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The check, with what it refuses as pydantic wants to hear it."""

    def checked(value: Any) -> Any:
        try:
            return check(value)
        except Misuse as misuse:
            raise ValueError(str(misuse)) from misuse

    return checked


AnalysisRate = Annotated[SampleRate, PlainValidator(explain(check_rate))]
Excerpt = Annotated[float, AfterValidator(explain(check_excerpt))]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="NOCTURNE_", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    home: Path = Field(PROJECT / ".nocturne", description="everything that Nocturne writes")
    runtime: Path = Field(
        Path(sys.prefix) / "nocturne-runtime", description="broker, database and Spark jars"
    )
    audio_dir: Path | None = Field(None, description="audio files; the sample library if unset")
    left_out: str = Field(
        "@eaDir,@Recently-Snapshot,@Recycle,#recycle,#snapshot,RECYCLE.BIN,RECYCLER,"
        "System Volume Information,lost+found,__MACOSX",
        description="folders below the audio folder that are not looked into, by name",
    )
    metadata_dir: Path | None = Field(
        None, description="FMA-like metadata; the sample library if unset"
    )

    kafka_bootstrap: str = Field("", description="host:port of Kafka; the embedded one if unset")
    mongo_uri: str = Field("", description="MongoDB address; the embedded one if unset")
    mongo_database: str = Field("nocturne", description="database that holds the collections")
    tracks_collection: str = Field("tracks", description="collection that holds the tracks")
    spark_master: str = Field("local[2]", description="local[n], spark://host:port, yarn, …")
    spark_driver_memory: str = Field("2g", description="heap of a Spark driver")
    airflow_url: str = Field("", description="Airflow's address; the embedded one if unset")

    lineage_url: str = Field(
        "", description="server that takes OpenLineage events; files in NOCTURNE_HOME if unset"
    )
    sample_rate: AnalysisRate = Field(
        22050, description="Hz that audio is analysed at, or native: each file's own"
    )
    excerpt_seconds: Excerpt = Field(
        0, description="seconds analysed from the middle of a file; 0: the whole file"
    )
    max_refused_share: float = Field(
        0.2, ge=0, le=1, description="share of files or rows refused that fails a task"
    )
    neighbours: int = Field(20, ge=1, le=200, description="similar tracks published per track")
    k_min: int = Field(2, ge=2, description="smallest number of clusters tried")
    k_max: int = Field(10, ge=2, description="largest number of clusters tried")
    max_cluster_share: float = Field(
        0.5, gt=0, le=1, description="largest share of the tracks that one cluster may hold"
    )
    min_stability: float = Field(
        0.3, ge=0, le=1, description="least agreement of clusters between seeds (adjusted Rand)"
    )
    max_silhouette_drop: float = Field(
        0.2, ge=0, le=2, description="how much lower than the champion's a silhouette may be"
    )
    metric: Literal["plain", "learned"] = Field(
        "plain", description="space of similar tracks: plain, or learned from genres"
    )
    list_length: int = Field(20, ge=1, le=200, description="tracks recommended to a listener")
    recent_days: int = Field(
        3, ge=0, description="days for which a track that was heard is not recommended"
    )
    max_rows_lost: float = Field(
        0.2, ge=0, le=1, description="share of the champion's tracks that may be missing"
    )
    max_ranking_drop: float = Field(
        0.2, ge=0, le=1, description="share of the champion's NDCG@10 that may be lost"
    )
    approve: bool = Field(False, description="wait for a person's approval before publishing")
    approve_hours: float = Field(
        12, gt=0, le=LONGEST_HOURS, description="hours after which what nobody approved is rejected"
    )
    versions_kept: int = Field(14, ge=2, description="published versions kept for rollback")

    web_host: str = Field("127.0.0.1", description="address that the web app listens on")
    web_port: int = Field(5000, ge=0, le=65535, description="port of the web app; 0: any free one")
    web_requests: int = Field(
        1200, ge=1, description="requests to the API per minute that a client may make"
    )

    @property
    def stack_dir(self) -> Path:
        return self.home / "stack"

    @property
    def runs_dir(self) -> Path:
        """One folder a run: the merged catalogue, refusals, reports."""
        return self.home / "runs"

    def run_dir(self, run_id: str) -> Path:
        """The folder of one Airflow run, whose id may hold characters that a path should not."""
        return self.runs_dir / re.sub(r"[^\w.+-]", "_", run_id)

    @property
    def sample_dir(self) -> Path:
        return self.home / "sample"

    @property
    def features_dir(self) -> Path:
        return self.home / "features"

    @property
    def models_dir(self) -> Path:
        return self.home / "models"

    @property
    def reports_dir(self) -> Path:
        return self.home / "reports"

    @property
    def lineage_dir(self) -> Path:
        return self.home / "lineage"

    @property
    def exports_dir(self) -> Path:
        return self.home / "exports"


def load_settings() -> Settings:
    """The settings of this process.

    Raises Misuse naming the variable and the reason if one has an unusable value.
    """
    file = Path(SETTINGS_FILE)
    try:
        # What the environment says of the home itself, without the file that lies in it.
        file = Settings().home / SETTINGS_FILE
        settings = Settings(_env_file=file)
    except ValidationError as error:
        wrong = "; ".join(
            f"{name_variable(problem['loc'])}: {problem['msg']} (got {problem['input']!r})"
            for problem in error.errors()
        )
        raise Misuse(f"Unusable settings: {wrong}. See docs/settings.md.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Misuse(f"{file} is not UTF-8 in line {line}: save it as UTF-8.") from error
    require_plain_home(settings.home.absolute())
    absolute = {"home": settings.home.absolute(), "runtime": settings.runtime.absolute()}
    return settings.model_copy(update=absolute)


def require_plain_home(home: Path) -> None:
    """Raises Misuse where Spark, after hours of work, would take the path for a pattern."""
    if strange := sorted(set(str(home)) & PATTERN_SIGNS):
        raise Misuse(
            f"NOCTURNE_HOME is {home}: Spark takes {' '.join(strange)} in a path for a pattern."
            " Choose a folder without them."
        )


def name_variable(location: tuple[int | str, ...]) -> str:
    """The variable that a problem is about; a name in the file that is no field is given whole."""
    name = "_".join(str(part) for part in location).upper()
    return name if name.startswith("NOCTURNE_") else f"NOCTURNE_{name}"
