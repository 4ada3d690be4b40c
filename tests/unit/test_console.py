import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from nocturne import console
from nocturne.console import (
    TaskProgress,
    describe_task,
    draw_tasks,
    print_error,
    print_json,
    print_log,
    print_run,
    print_similar,
    print_status,
    print_versions,
    say,
    task_progress,
)
from nocturne.stack.airflow_api import TaskState
from nocturne.stack.stack import Status
from nocturne.stack.supervise import ProcessState

# What rich would take for markup, for emoji, or for a line to wrap.
ODD = (
    "[Untitled] [/b] tracks.features[0] [red]x[/] :smile: back\\slash [\\[y] " + "long " * 40 + "."
)


def similar(title: str = ODD, cluster: int | None = 3) -> dict:
    near = {"track_id": "[2]", "title": title, "artist": title, "score": 0.98765, "reason": "[r]"}
    return {
        "version": "v",
        "track_id": "[1]",
        "title": title,
        "artist": title,
        "cluster": cluster,
        "similar": [near],
    }


def test_steps_go_to_stderr_word_for_word(capsys):
    say(ODD)
    assert capsys.readouterr() == ("", f"· {ODD}\n")


def test_an_error_goes_to_stderr_word_for_word(capsys):
    print_error(ValueError(ODD + "\n  second line \\"))
    assert capsys.readouterr() == ("", f"nocturne: {ODD}\n  second line \\\n")


def test_json_is_all_that_is_printed(capsys):
    result = {"at": datetime(2026, 11, 19, 2, tzinfo=UTC), "path": Path("/a"), "title": f"é {ODD}"}
    print_json(result)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "at": "2026-11-19T02:00:00+00:00", "path": "/a", "title": f"é {ODD}",
    }  # fmt: skip
    assert "é" in out
    assert err == ""


def test_a_log_is_shown_word_for_word_under_its_name(capsys):
    print_log(Path("/logs [old]/kafka.log"), f"[INFO] {ODD}\n[/] end")
    assert capsys.readouterr().out == f"/logs [old]/kafka.log\n[INFO] {ODD}\n[/] end\n"


def test_titles_are_shown_word_for_word(capsys):
    print_similar([similar(), similar("plain", cluster=None)])
    first, near, second, _ = capsys.readouterr().out.splitlines()
    assert first == f"{ODD} · {ODD}  [1], cluster 3"
    assert near == f"   0.988  {ODD} · {ODD}  [2], [r]"
    assert second == "plain · plain  [1]"


def test_a_run_ends_with_its_version_and_where_airflow_is(capsys):
    login = {"url": "http://127.0.0.1:8080", "user": "admin", "password": "p-[x]_w"}
    print_run({"similar_tracks": [similar("a")], "version": "2026-11-19.ab12", "airflow": login})
    *_, live, airflow = capsys.readouterr().out.splitlines()
    assert live == "Live: 2026-11-19.ab12"
    assert airflow == "Airflow: http://127.0.0.1:8080  user admin  password p-[x]_w"


def test_versions_are_listed_and_the_live_one_is_marked(capsys):
    model = {"state": "refused", "inputs": {"tracks": 96}, "run_id": "manual__[x]"}
    print_versions([{**model, "_id": "v2", "live": True}, {**model, "_id": "v1", "live": False}])
    live, other = capsys.readouterr().out.splitlines()
    assert live.split() == ["live", "v2", "refused", "96", "tracks", "manual__[x]"]
    assert other.split() == ["v1", "refused", "96", "tracks", "manual__[x]"]
    assert live.index("v2") == other.index("v1")


def test_the_status_tells_health_addresses_and_processes(capsys):
    print_status(
        Status(
            running=True,
            healthy={"kafka": True, "mongo": False},
            processes=[ProcessState("kafka", "running", 17, 3)],
            addresses={"kafka": "k:1", "mongo": "[::1]:27017/?a=b"},
        )
    )
    kafka, mongo, process = capsys.readouterr().out.splitlines()
    assert kafka.split() == ["kafka", "healthy", "k:1"]
    assert mongo.split() == ["mongo", "down", "[::1]:27017/?a=b"]
    assert process.split() == ["kafka", "running", "pid", "17", "3", "s"]


def test_a_stack_that_does_not_run_says_how_to_start_it(capsys):
    print_status(Status(False, {"kafka": False}, [], {"kafka": ""}))
    assert "`./nocturne up` starts it" in capsys.readouterr().out


def test_elsewhere_than_on_a_terminal_each_change_of_a_task_is_a_line(capsys):
    with task_progress() as watch:
        assert watch.live is None
        watch([TaskState("land", None, 0, None), TaskState("train", None, 0, None)])
        for _ in range(2):
            watch([TaskState("land", "running", 1, None), TaskState("train", None, 0, None)])
        watch([TaskState("land", "up_for_retry", 1, 1.0), TaskState("train", "scheduled", 0, None)])
        watch([TaskState("land", "running", 2, None), TaskState("train", "queued", 0, None)])
        watch([TaskState("land", "success", 2, 2.04), TaskState("train", "failed", 1, 0.5)])
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split() for line in err.splitlines()] == [
        ["▶", "land"],
        ["↻", "land", "1.0", "s"],
        ["▶", "land", "(try", "2)"],
        ["✓", "land", "2.0", "s", "(try", "2)"],
        ["✗", "train", "0.5", "s"],
    ]


def test_on_a_terminal_the_tasks_are_redrawn_in_place(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=True, width=80))
    with task_progress() as watch:
        watch([TaskState("land", "running", 1, None)])
        watch([TaskState("land", "success", 1, 2.0)])
    assert "✓" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


@pytest.mark.parametrize("state", [*console.MARKS, "restarting", None])
def test_every_state_of_a_task_can_be_drawn(state, capsys):
    task = TaskState("[mapped]", state, 1, 1.25)
    console.out.print(draw_tasks([task]))
    console.out.print(describe_task(task))
    drawn, line = capsys.readouterr().out.splitlines()
    assert "[mapped]" in drawn
    assert "[mapped]" in line
    assert "1.2 s" in line


def test_a_watch_without_a_screen_needs_no_context(capsys):
    TaskProgress(None)([TaskState("land", "skipped", 1, None)])
    assert "land" in capsys.readouterr().err
