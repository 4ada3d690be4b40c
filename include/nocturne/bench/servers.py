"""Kafka and MongoDB for a bench: its own, in a home that goes when it ends."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nocturne.settings import Settings, load_settings
from nocturne.stack.ports import allot_other_ports
from nocturne.stack.stack import bring_down, bring_up_servers

Say = Callable[[str], None]


@contextmanager
def own_servers(say: Say) -> Iterator[Settings]:
    """Settings that reach servers which nobody else uses: a bench may fill them and kill them."""
    home = Path(tempfile.mkdtemp(prefix="nocturne-bench-"))
    own = {"home": home, "kafka_bootstrap": "", "mongo_uri": ""}
    settings = load_settings().model_copy(update=own)
    settings.stack_dir.mkdir(parents=True)
    allot_other_ports(settings.stack_dir)
    try:
        yield bring_up_servers(settings, say)
    finally:
        bring_down(settings)
        shutil.rmtree(home)
