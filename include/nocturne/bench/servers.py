"""Kafka and MongoDB for a bench: its own, in a home that goes when it ends."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from nocturne.settings import Settings, load_settings
from nocturne.stack.ports import Ports, find_free_port
from nocturne.stack.stack import bring_down, bring_up_servers

Say = Callable[[str], None]


@contextmanager
def own_servers(say: Say) -> Iterator[Settings]:
    """Settings that reach servers which nobody else uses: a bench may fill them and kill them."""
    home = Path(tempfile.mkdtemp(prefix="nocturne-bench-"))
    own = {"home": home, "kafka_bootstrap": "", "mongo_uri": ""}
    settings = load_settings().model_copy(update=own)
    chosen: dict[str, int] = {}
    for name in asdict(Ports()):
        chosen[name] = find_free_port(set(chosen.values()))
    settings.stack_dir.mkdir(parents=True)
    (settings.stack_dir / "ports.json").write_text(json.dumps(chosen), encoding="utf-8")
    try:
        yield bring_up_servers(settings, say)
    finally:
        bring_down(settings)
        shutil.rmtree(home)
