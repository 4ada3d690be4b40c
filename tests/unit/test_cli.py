import json
import os
import re
import subprocess
import sys
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from nocturne import cli
from nocturne.cli import app, main, start
from nocturne.errors import BadInput, Misuse, NocturneError, ServiceUnavailable, TooManyRefusals
from nocturne.nights import parse_moment

COMMANDS = {
    "setup", "up", "down", "status", "logs", "run", "backfill", "recommend", "versions",
    "rollback", "live-at", "features", "test", "topics", "ingest", "dead-letters", "bench",
}  # fmt: skip
"""Of DESIGN's table, what exists by now."""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def new_home(monkeypatch, tmp_path):
    """A home where nothing was ever up."""
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def nocturne(capsys):
    """Run the command line in this process, as the launcher does in another."""

    def run(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(partial(start, list(arguments)))
        return Ended(ended.value.code, *capsys.readouterr())

    return run


def registered() -> dict[str, str]:
    return {
        command.name or command.callback.__name__: command.callback.__doc__
        for group in app.registered_groups
        for command in group.typer_instance.registered_commands
    }


def test_the_commands_are_those_of_the_design():
    assert set(registered()) >= COMMANDS


def test_help_lists_every_command_with_what_it_does(nocturne, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = nocturne("--help")
    assert (code, err) == (0, "")
    assert "Usage: ./nocturne" in out
    for name, doc in registered().items():
        assert any(f" {name} " in line and doc.split(".")[0] in line for line in out.splitlines())


@pytest.mark.parametrize("command", sorted(registered()))
def test_every_command_explains_itself(nocturne, command):
    code, out, _ = nocturne(command, "--help")
    assert code == 0
    assert f"Usage: ./nocturne {command}" in out


def test_without_arguments_help_is_shown(nocturne):
    code, out, err = nocturne()
    assert code == 2
    assert "Usage: ./nocturne" in out + err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dance"], "dance"),
        (["status", "--loud"], "--loud"),
        (["recommend"], "--track ID"),
        (["recommend", "--track", "2", "--song", "Food"], "--track ID"),
        (["recommend", "--artist", "AWOL"], "--song TITLE"),
        (["recommend", "--track", "2", "-n", "0"], "-n"),
        (["recommend", "--track", "2", "-n", "many"], "valid integer"),
        (["run", "--audio", "/music"], "--metadata"),
        (["run", "--metadata", "/metadata"], "--audio"),
        (["run", "--audio", "/no/music", "--metadata", "/"], "/no/music is not a folder"),
        (["run", "--date", "yesterday"], "'yesterday' is not a day"),
        (["run", "--date", "9999-12-31"], "The night of 9999-12-31 is not over"),
        (["backfill", "2026-11-01"], "'last'"),
        (["backfill", "2026-11-01", "2026-13-01"], "'2026-13-01' is not a day"),
        (["backfill", "2026-11-02", "2026-11-01"], "2026-11-02 is after 2026-11-01"),
        (["backfill", "2026-11-02", "2062-11-03"], "The night of 2062-11-03 is not over"),
        (["recommend", "--track", "2", "-n", "1000000000"], "-n"),
        (["logs", "-n", "1000000000"], "-n"),
        (["backfill", "1900-01-01", "2026-11-01"], "46326 nights; one backfill takes 366"),
        (["backfill", "2025-01-01", "2026-01-02"], "367 nights"),
        (["live-at", "noon"], "'noon' is not a moment"),
        (["live-at", "9999-12-31T23:59:59Z"], "not between 1970 and now"),
        (["live-at", "0001-01-01T00:00:00+23:59"], "not between 1970 and now"),
        (["logs", "postgres"], "no log of postgres"),
        (["logs", "-n", "0"], "-n"),
        (["versions"], "no MongoDB yet"),
        (["rollback"], "no MongoDB yet"),
        (["recommend", "--track", "2"], "no MongoDB yet"),
        (["features"], "'files'"),
        (["features", "a.ogg", "--sample-rate", "fast"], "`native` or a whole number"),
        (["features", "a.ogg", "--sample-rate", "8000"], "16000 Hz"),
        (["features", "a.ogg", "--excerpt", "0.1"], "1 s or more"),
        (["features", "a.ogg", "--format", "xml"], "'xml'"),
        (["features", "a.ogg", "--format", "parquet"], "--output"),
        (["features", "a.ogg", "b.ogg", "--plot", "a.png"], "single file"),
        (["topics"], "no Kafka yet"),
        (["ingest", "user_activity"], "no Kafka yet"),
        (["serve"], "no Kafka yet"),
        (["live"], "no Kafka yet"),
        (["simulate"], "no Kafka yet"),
        (["tokens", "--revoke"], "Name the token"),
        (["dead-letters", "user_activity", "--replay"], "no Kafka yet"),
        (["ingest"], "'topic'"),
        (["bench", "dancing"], "no bench 'dancing'; there are: faults, features"),
        (["bench", "ingest", "--records", "0"], "--records"),
    ],
)
def test_misuse_exits_with_2_and_says_on_stderr_what_is_wrong(nocturne, new_home, arguments, words):
    code, out, err = nocturne(*arguments)
    assert code == 2
    assert words in err.replace("\n", " ")
    assert out == ""
    assert not new_home.exists(), "misuse starts nothing and writes nothing"


def test_an_unusable_setting_is_misuse_of_every_command(nocturne, monkeypatch):
    monkeypatch.setenv("NOCTURNE_SAMPLE_RATE", "[fast]")
    for arguments in (["status"], ["versions"], ["run"], ["logs"], ["down"]):
        code, out, err = nocturne(*arguments)
        assert (code, out) == (2, "")
        assert "NOCTURNE_SAMPLE_RATE" in err
        assert "'[fast]'" in err


def test_a_home_too_long_for_a_socket_is_misuse(nocturne, monkeypatch):
    monkeypatch.setenv("NOCTURNE_HOME", "/tmp/" + "long/" * 20)  # noqa: S108
    code, out, err = nocturne("status")
    assert (code, out) == (2, "")
    assert err.startswith("nocturne: NOCTURNE_HOME is too long a path")


def test_where_nothing_runs_status_fails_and_down_is_done(nocturne, new_home):
    code, out, err = nocturne("status")
    assert (code, err) == (1, "")
    assert "`./nocturne up` starts it" in out
    assert nocturne("down") == (0, "", "")
    assert not new_home.exists()


def test_the_status_as_json_is_all_of_stdout(nocturne):
    code, out, err = nocturne("status", "--json")
    assert (code, err) == (1, "")
    assert json.loads(out) == {
        "running": False,
        "healthy": {"kafka": False, "mongo": False, "airflow": False},
        "processes": [],
        "addresses": {"airflow": "", "kafka": "", "mongo": ""},
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [(Misuse, 2), (BadInput, 1), (TooManyRefusals, 1), (ServiceUnavailable, 1), (NocturneError, 1)],
)
def test_a_failure_that_we_understand_is_one_message_and_its_exit_code(capsys, error, code):
    message = r"rows of tracks.features[0] [/x] [bold] in C:\music\[new] :smile: " + "long " * 60

    def fail() -> None:
        raise error(message)

    with pytest.raises(SystemExit) as ended:
        main(fail)
    assert ended.value.code == code
    assert capsys.readouterr() == ("", f"nocturne: {message}\n")


def test_what_we_do_not_understand_keeps_its_traceback():
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main(fail)


def test_logs_are_printed_word_for_word(nocturne, new_home):
    logs = new_home / "stack/logs"
    logs.mkdir(parents=True)
    (logs / "kafka.log").write_text("one\n[INFO] two [/]\n[red]three[/red] :smile:\n")
    code, out, err = nocturne("logs", "kafka", "-n", "2")
    assert (code, err) == (0, "")
    assert out == f"{logs}/kafka.log\n[INFO] two [/]\n[red]three[/red] :smile:\n"


def test_a_mongodb_that_does_not_answer_is_one_sentence(nocturne, monkeypatch, free_port):
    monkeypatch.setattr("nocturne.nightly.PATIENCE_SECONDS", 0.1)
    monkeypatch.setenv("NOCTURNE_MONGO_URI", f"mongodb://ana:s3cret@127.0.0.1:{free_port}/")
    code, out, err = nocturne("versions", "--json")
    assert (code, out) == (1, "")
    assert err.startswith(f"nocturne: MongoDB at 127.0.0.1:{free_port}/ does not answer")
    assert "s3cret" not in err


def test_features_of_what_is_no_audio_are_json_with_a_rule_and_a_failure(nocturne, tmp_path):
    (tmp_path / "[1].ogg").write_bytes(b"no audio")
    code, out, err = nocturne("features", str(tmp_path / "[1].ogg"))
    assert code == 1
    (described,) = json.loads(out)
    assert described["rule"]
    assert err.startswith("nocturne: 1 of 1 files gave no features:\n  ")


def test_good_files_are_written_before_the_bad_ones_are_named(nocturne, tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * 22050)
    good, bad = tmp_path / "good.wav", tmp_path / "bad.mp3"
    soundfile.write(good, noise, 22050)
    bad.touch()
    code, out, err = nocturne("features", str(bad), str(good), "--format", "csv", "--excerpt", "1")
    assert code == 1
    header, row = out.splitlines()
    assert header.startswith("file,feature_set,duration_seconds,chroma_cens.kurtosis.01,")
    assert row.startswith(f"{good},fma518-v1-22050-1s,1.0,")
    assert err == (
        f"nocturne: 1 of 2 files gave no features:\n  {bad}: empty: The file has no bytes.\n"
    )


def test_features_as_parquet_and_a_picture(nocturne, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-1, 1, 96000), 48000)
    table, picture = tmp_path / "a.parquet", tmp_path / "a.png"
    ended = nocturne(
        "features", str(tmp_path / "a.wav"), "--sample-rate", "native",
        "--format", "parquet", "--output", str(table), "--plot", str(picture),
    )  # fmt: skip
    assert ended == (0, "", "")
    (row,) = pq.read_table(table).to_pylist()
    assert (row["feature_set"], row["duration_seconds"]) == ("fma518-v1-native", 2)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-19T08:00:00Z", "2026-11-19T08:00:00+00:00"),
        ("2026-11-19T08:00:00+02:00", "2026-11-19T08:00:00+02:00"),
        ("2026-11-19T08:00", "2026-11-19T08:00:00+00:00"),
        ("2026-11-19", "2026-11-19T00:00:00+00:00"),
    ],
)
def test_a_moment_without_a_zone_is_utc(text, moment):
    assert parse_moment(text).isoformat() == moment


def test_the_test_command_hands_everything_to_pytest_in_the_project(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nocturne.cli", "test", "--co", "-q", "tests/unit/test_nights.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests/unit/test_nights.py::test_a_night_begins_at_two_and_lasts_a_day" in done.stdout


def test_the_command_line_itself_imports_nothing_heavy():
    """So that `--help` and mistakes are answered at once."""
    heavy = ("airflow", "pyspark", "librosa", "pandas", "pymongo", "sklearn", "confluent_kafka")
    asked = f"import sys, nocturne.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert cli.start.func is app


def test_the_version_is_told(nocturne):
    code, out, _ = nocturne("--version")
    assert code == 0
    assert re.fullmatch(r"nocturne \d+\.\d+\.\d+\n", out)


@pytest.mark.parametrize("command", [(), ("run",), ("recommend",), ("tokens",), ("bench",)])
def test_help_has_a_short_name(nocturne, command):
    code, out, _ = nocturne(*command, "-h")
    assert (code, "Usage: ./nocturne" in out) == (0, True)


@pytest.mark.parametrize(
    "address",
    ["http://x", "mongodb://", "mongodb://h:port/", "mongodb://u:secret@@h/", "mongodb://h:99999/"],
)
@pytest.mark.parametrize("command", [("versions",), ("tokens",), ("live",)])
def test_an_address_that_cannot_be_one_is_told_without_its_login(
    nocturne, monkeypatch, tmp_path, address, command
):
    monkeypatch.setenv("NOCTURNE_HOME", str(tmp_path))
    monkeypatch.setenv("NOCTURNE_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("NOCTURNE_MONGO_URI", address)
    code, _, err = nocturne(*command)
    assert code == 1
    assert "NOCTURNE_MONGO_URI" in err or "Kafka" in err
    assert "secret" not in err
    assert "Traceback" not in err
