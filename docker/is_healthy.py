"""A container's health check: does a JSON page say what it should?

    is_healthy.py http://airflow-api-server:8080/api/v2/monitor/health scheduler.status healthy

Exit code 0 if it does; else 1, with the page's word for it.
"""

import json
import sys
import urllib.request

ANSWER_SECONDS = 8


def main(url: str, field: str, wanted: str) -> None:
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
        found = json.load(answer)
    for name in field.split("."):
        found = found[name]
    if str(found) != wanted:
        sys.exit(f"{field} is {found}")


if __name__ == "__main__":
    main(*sys.argv[1:])
