"""Hashes of what documents say, so that equal contents are known without comparing them."""

import hashlib
import json
import struct
from typing import Any

Document = dict[str, Any]


def hash_content(content: Document) -> str:
    """SHA-256 of a document's canonical JSON."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_track(track: Document) -> str:
    """SHA-256 of a track: its canonical JSON, then the `features` as little-endian doubles.

    Writing 518 doubles as text would take most of the time of loading a track.
    """
    features = track["features"]
    rest = {name: value for name, value in track.items() if name != "features"}
    digest = hashlib.sha256(hash_content(rest).encode())
    digest.update(struct.pack(f"<{len(features)}d", *features))
    return digest.hexdigest()
