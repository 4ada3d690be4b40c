"""docs/settings.md says of each setting what the code says."""

import re

from nocturne.settings import PROJECT, Settings

ROW = re.compile(r"^\| `NOCTURNE_([A-Z_]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
# Folders whose default depends on where the project is.
NEAR_THE_PROJECT = {
    "home": "`.nocturne` in the project",
    "runtime": "`nocturne-runtime` in `.venv`",
}


def describe_default(name: str, default: object) -> str:
    if name in NEAR_THE_PROJECT:
        return NEAR_THE_PROJECT[name]
    return "unset" if default in (None, "") else f"`{default}`"


def test_the_table_has_each_setting_with_default_and_meaning():
    page = (PROJECT / "docs/settings.md").read_text("utf-8")
    rows = {name.lower(): (default, meaning) for name, default, meaning in ROW.findall(page)}
    assert rows == {
        name: (describe_default(name, field.default), field.description)
        for name, field in Settings.model_fields.items()
    }
