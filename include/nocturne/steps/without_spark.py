"""What a night's Spark jobs need no driver for: nothing is to be done, or it fits in memory."""

import time
from collections.abc import Mapping
from pathlib import Path

from nocturne.settings import Settings

Options = Mapping[str, str]


def settle(job: str, settings: Settings, options: Options) -> str | None:
    """Why a job of spark_jobs/ need not be started with these options (`audio-dir` …), or None.

    Starting a driver takes ten seconds and more; what fits in memory is done here instead.
    """
    ways = {
        "extract_features": nothing_to_extract,
        "train_clusters": trained_already,
        "train_taste": taste_in_memory,
    }
    return ways[job](settings, options) if job in ways else None


def nothing_to_extract(settings: Settings, options: Options) -> str | None:
    """Write the report if the feature store knows every content of the catalogue."""
    from nocturne.audio.extraction import find_work, write_report
    from nocturne.audio.names import feature_set, parse_sample_rate

    begun = time.monotonic()
    rate, seconds = parse_sample_rate(options["sample-rate"]), float(options["excerpt-seconds"])
    catalogue, store = Path(options["catalogue"]), Path(options["store"])
    work = find_work(catalogue, store, feature_set(rate, seconds))
    if work.pending:
        return None
    write_report(Path(options["report"]), work, time.monotonic() - begun)
    return f"Nothing new: {store} has all {len(work.contents)} contents"


def trained_already(settings: Settings, options: Options) -> str | None:
    target = Path(options["target"])
    return f"{target} is trained already" if target.exists() else None


def taste_in_memory(settings: Settings, options: Options) -> str | None:
    """Train taste here if the master is this machine: in memory, a fit takes a hundredth of
    MLlib's time.
    """
    from nocturne.models.taste_training import find_settled, fit_in_memory, train_taste
    from nocturne.stack.spark import is_local

    ratings, target = Path(options["ratings"]), Path(options["target"])
    if settled := find_settled(ratings, target):
        return settled
    if not is_local(settings.spark_master):
        return None
    report = train_taste(ratings, target, fit_in_memory)
    return f"{report['ratings']} ratings: {report['chosen']}"
