"""The secrets of the embedded stack: generated once for a NOCTURNE_HOME, readable by its owner."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path


def generate_password() -> str:
    return secrets.token_urlsafe(18)


def generate_fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Passwords:
    mongo: str = field(default_factory=generate_password)
    mongo_keyfile: str = field(default_factory=lambda: secrets.token_hex(48))
    airflow_admin: str = field(default_factory=generate_password)
    airflow_jwt: str = field(default_factory=lambda: secrets.token_hex(32))
    airflow_api: str = field(default_factory=lambda: secrets.token_hex(32))
    airflow_fernet: str = field(default_factory=generate_fernet_key)


def read_passwords(stack_dir: Path) -> Passwords | None:
    """The passwords of this home, or None before its first `up`."""
    path = stack_dir / "passwords.json"
    return Passwords(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def ensure_passwords(stack_dir: Path) -> Passwords:
    passwords = read_passwords(stack_dir)
    if passwords is None:
        passwords = Passwords()
        write_private(stack_dir / "passwords.json", json.dumps(asdict(passwords), indent=2))
    return passwords


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read (0600), whole or not at all."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    temporary.replace(path)
