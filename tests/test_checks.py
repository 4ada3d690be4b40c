"""The checks that keep the house in order; each says what to mend."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer

from nocturne.cli import app
from nocturne.settings import PROJECT, Settings

BIN = Path(sys.executable).parent
LONGEST_MODULE = 300
VARIABLES_OF_TESTS = {"NOCTURNE_REAL_DATA"}
NOTES_TO_SELF = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
PLACES_OF_ONE_MACHINE = re.compile(r"(?<![\w.)}-])/(work|root|home)/")
REGISTRIES = re.compile(
    r"(pypi|pythonhosted|anaconda|npmjs|maven|maven[.]apache)[.](org|com)|proxy[.]golang[.]org"
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:`|^\s*(?:\$ )?)\./nocturne ([a-z][a-z-]*)([^\n`|#]*)", re.MULTILINE)
PLANTED = {
    "include/nocturne/models/planted_table.py": "import nocturne.recommend.tables\n",
    "include/nocturne/planted.py": "import airflow.sdk\n",
    "include/nocturne_airflow/planted.py": "def late():\n    import spark_jobs.train_clusters\n",
    "include/nocturne_airflow/upwards.py": "from dags import catalogue_export\n",
    "plugins/planted_rows.py": "from nocturne.store import versions\n",
    "plugins/sideways.py": "from dags import listening_activity\n",
    "spark_jobs/planted.py": "from nocturne_airflow import policies\n",
}


def run(*command: str | Path, **variables: str) -> str:
    """What a check says; it fails the test if the check fails."""
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_ruff():
    run(BIN / "ruff", "check", ".")


def test_ruff_format():
    run(BIN / "ruff", "format", "--check", ".")


def test_mypy():
    run(sys.executable, "-m", "mypy")


def test_import_contracts():
    assert "0 broken" in run(BIN / "lint-imports", PYTHONPATH=str(PROJECT))


def test_import_contracts_catch_what_they_forbid(tmp_path):
    """Every contract is broken by an import that is planted into a copy."""
    for folder in ("include", "dags", "plugins", "spark_jobs"):
        shutil.copytree(
            PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for path, text in PLANTED.items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [BIN / "lint-imports", "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'include'}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Contracts: 0 kept, 6 broken." in done.stdout, done.stdout
    for path in PLANTED:
        assert Path(path).stem in done.stdout


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """The text files that are or will be under version control, by path."""
    found = {}
    for path in sorted(walk_files(PROJECT)):
        content = path.read_bytes()
        if b"\0" not in content:
            found[str(path.relative_to(PROJECT))] = content.decode()
    return found


def walk_files(project: Path) -> Iterator[Path]:
    """Every file but git's own and those that .gitignore names; each of its lines is one name."""
    ignored = [".git", *(project / ".gitignore").read_text("utf-8").replace("/\n", "\n").split()]
    for folder, folders, names in os.walk(project):
        for name in [*folders, *names]:
            if any(fnmatch(name, pattern) for pattern in ignored):
                (folders if name in folders else names).remove(name)
        yield from (Path(folder, name) for name in names)


def require_none(found: Iterable[str]) -> None:
    """Fail with all that was found; pytest would show the first few."""
    listed = "\n".join(sorted(found))
    assert not listed, f"\n{listed}"


def find(pattern: re.Pattern[str], files: dict[str, str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_knows_a_developers_machine(files):
    require_none(find(PLACES_OF_ONE_MACHINE, files))


def test_no_file_names_a_package_registry(files):
    """Registries are a matter of the machine's own settings: mirrors must work."""
    require_none(find(REGISTRIES, files))


def test_nothing_is_left_to_do(files):
    require_none(find(NOTES_TO_SELF, files))


def test_modules_are_short(files):
    sources = ("include/", "spark_jobs/", "dags/", "plugins/")
    require_none(
        f"{name} has {lines} lines"
        for name, text in files.items()
        if name.startswith(sources) and name.endswith(".py")
        if (lines := len(text.splitlines())) > LONGEST_MODULE
    )


def read_manuals(files: dict[str, str]) -> dict[str, str]:
    """README, CHANGELOG and their like, and docs/."""
    manuals = {
        name: text
        for name, text in files.items()
        if name.endswith(".md") and (name.startswith("docs/") or "/" not in name)
    }
    assert "README.md" in manuals
    return manuals


def test_links_lead_somewhere(files):
    dead = [
        f"{name}: {link}"
        for name, text in read_manuals(files).items()
        for link in LINK.findall(text)
        if "://" not in link and not link.startswith(("#", "mailto:"))
        if not (PROJECT / name).parent.joinpath(link.partition("#")[0]).exists()
    ]
    require_none(dead)


@pytest.fixture
def commands() -> dict[str, Any]:
    """The commands of the command line, as click has them."""
    found: dict[str, Any] = typer.main.get_command(app).commands
    return found


def find_commands(texts: dict[str, str]) -> Iterator[tuple[str, str, list[str]]]:
    """Where a command stands as code, in backticks or on its own line: its name and options."""
    for name, text in texts.items():
        for match in COMMAND.finditer(text):
            yield name, match[1], re.findall(r"(?<!\S)--?[a-z][a-z-]*", match[2])


def test_commands_that_are_mentioned_exist(files, commands):
    """In the manuals, and in what the program itself says."""
    ours = {name: text for name, text in files.items() if not name.startswith("tests/")}
    wrong = []
    for name, command, options in find_commands(ours):
        known = commands.get(command)
        if known is None:
            wrong.append(f"{name}: ./nocturne {command}")
        elif not known.context_settings.get("ignore_unknown_options"):
            accepted = {option for param in known.params for option in param.opts} | {"--help"}
            wrong += [f"{name}: {command} {option}" for option in set(options) - accepted]
    require_none(wrong)


def test_every_command_is_in_the_manuals(files, commands):
    mentioned = {command for _, command, _ in find_commands(read_manuals(files))}
    require_none(set(commands) - mentioned)


def test_every_setting_is_documented(files):
    documented = set(re.findall(r"NOCTURNE_[A-Z_]+", files.get("docs/settings.md", "")))
    require_none(name_variables() - documented)


def name_variables() -> set[str]:
    return {f"NOCTURNE_{name.upper()}" for name in Settings.model_fields}


def test_settings_that_are_mentioned_exist(files):
    known = name_variables() | VARIABLES_OF_TESTS
    unknown = [
        f"{name}: {variable}"
        for name, text in read_manuals(files).items()
        for variable in re.findall(r"NOCTURNE_[A-Z_]*[A-Z]", text)
        if variable not in known
    ]
    require_none(unknown)
