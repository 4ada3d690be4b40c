"""Write .env from .env.example with a generated value for each secret.

    python3 docker/make_env.py

Runs on the host with any Python 3. Refuses to replace a .env that is there: its secrets are what
the volumes were made with.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SECRETS = {
    "POSTGRES_PASSWORD": lambda: secrets.token_urlsafe(24),
    "MONGO_PASSWORD": lambda: secrets.token_urlsafe(24),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(18),
    "AIRFLOW_FERNET_KEY": lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_hex(32),
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_hex(32),
}


def fill(example: str) -> str:
    """The example with a value behind the `=` of each secret."""
    lines = example.splitlines()
    for place, line in enumerate(lines):
        name = line.removesuffix("=")
        if line.endswith("=") and name in SECRETS:
            lines[place] = line + SECRETS[name]()
    return "\n".join(lines) + "\n"


def main(project: Path = PROJECT) -> None:
    target = project / ".env"
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        sys.exit(f"{target} is there already; it is left as it is.")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(fill((project / ".env.example").read_text("utf-8")))
    print(f"{target} is written; set AUDIO_DIR and METADATA_DIR in it.")  # noqa: T201


if __name__ == "__main__":
    main()
