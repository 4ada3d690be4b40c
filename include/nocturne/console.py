"""What the command line shows: progress on stderr, results on stdout."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.text import Text

from nocturne.plain_text import plain_json, plain_lines, plain_output, plain_text

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from nocturne.stack.airflow_api import TaskState
    from nocturne.stack.stack import Status

# Titles, ids and messages are shown as they are: `escape` for what looks like markup or would steer
# the terminal, no emoji for what looks like their codes, no wrapping.
out = Console(soft_wrap=True, highlight=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
MARKS = {
    "success": "[green]✓[/]",
    "running": "[cyan]▶[/]",
    "failed": "[red]✗[/]",
    "awaiting_input": "[yellow]?[/]",
    "upstream_failed": "[red]-[/]",
    "up_for_retry": "[yellow]↻[/]",
    "skipped": "[dim]-[/]",
}


def escape(text: str) -> str:
    """Foreign text within markup."""
    return escape_markup(plain_text(text))


def say(step: str) -> None:
    err.print(f"[dim]·[/] {escape(step)}")


def print_error(error: Exception) -> None:
    err.print(Text.assemble(("nocturne:", "red"), " ", plain_lines(str(error))))


def print_log(file: Path, text: str) -> None:
    out.print(f"[bold]{escape(str(file))}[/]")
    out.out(plain_output(text), highlight=False)


def print_json(result: Any) -> None:
    dumped = json.dumps(result, default=to_text, ensure_ascii=False, indent=2)
    print(plain_json(dumped))  # noqa: T201


def to_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class TaskProgress:
    """The tasks of a run, redrawn in place on a terminal, a line a change elsewhere."""

    def __init__(self, live: "Live | None") -> None:
        self.live = live
        self.shown: dict[str, tuple[str | None, int]] = {}

    def __call__(self, tasks: "list[TaskState]") -> None:
        if self.live is not None:
            self.live.update(draw_tasks(tasks))
            return
        for task in tasks:
            seen = (task.state, task.try_number)
            if self.shown.get(task.task_id) != seen and task.state in MARKS:
                err.print(describe_task(task))
            self.shown[task.task_id] = seen


@contextmanager
def count_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar that is told how many of how many are done; none without a terminal."""
    from rich.progress import Progress

    with Progress(console=err, disable=not err.is_terminal, transient=True) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


@contextmanager
def task_progress() -> Iterator[TaskProgress]:
    if not err.is_terminal:
        yield TaskProgress(None)
        return
    from rich.live import Live

    with Live(console=err, refresh_per_second=4) as live:
        yield TaskProgress(live)


def draw_tasks(tasks: "list[TaskState]") -> "Table":
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for task in tasks:
        table.add_row(Text.from_markup(describe_task(task)))
    return table


def describe_task(task: "TaskState") -> str:
    mark = MARKS.get(task.state or "", "[dim]·[/]")
    again = f" (try {task.try_number})" if task.try_number > 1 else ""
    seconds = f"{task.seconds:7.1f} s" if task.seconds is not None else ""
    return f"  {mark} {escape(task.task_id):<20}{seconds}{again}"


def print_run(result: dict[str, Any]) -> None:
    """The result of `./nocturne run`: some of the table, the version, the Airflow UI."""
    out.print()
    print_similar(result["similar_tracks"])
    login = result["airflow"]
    out.print(f"\nLive: [bold]{escape(str(result['version']))}[/]")
    out.print(
        f"Airflow: {login['url']}  user {login['user']}  password {login['password']}",
        markup=False,
    )


def print_similar(found: Iterable[dict[str, Any]]) -> None:
    for item in found:
        cluster = "" if item["cluster"] is None else f", cluster {item['cluster']}"
        out.print(
            f"[bold]{escape(item['title'])}[/] · {escape(item['artist'])}"
            f"  [dim]{escape(item['track_id'])}{cluster}[/]"
        )
        print_recommendations(item["similar"])


def print_for_listener(listed: dict[str, Any]) -> None:
    known = "" if listed["known"] else " (unknown to this version: the list for anybody)"
    out.print(f"[bold]{escape(listed['user_id'])}[/]{known}  [dim]{escape(listed['version'])}[/]")
    print_recommendations(listed["items"])


def print_recommendations(items: Iterable[dict[str, Any]]) -> None:
    for item in items:
        out.print(
            f"  {item['score']:6.3f}  {escape(item['title'])} · {escape(item['artist'])}"
            f"  [dim]{escape(item['track_id'])}, {escape(item['reason'])}[/]"
        )


def print_versions(found: list[dict[str, Any]]) -> None:
    for model in found:
        mark = "[green]live[/]" if model["live"] else "    "
        out.print(
            f"{mark}  {escape(model['_id'])}  {model['state']:<10}"
            f" {model['inputs']['tracks']} tracks  [dim]{escape(model['run_id'])}[/]"
        )


METRICS = ("ndcg@10", "recall@10", "precision@10", "map@10", "coverage", "gini")


def print_evaluation(found: dict[str, Any]) -> None:
    """The metrics by model, the best last, with the interval of what it is better by."""
    from rich.table import Table

    out.print(
        f"{found['users']} users, {found['items']} items, {found['interactions']} interactions;"
        f" {found['split']}, {found['seeds']} splits"
    )
    table = Table("model", *METRICS, "ndcg@10 over popularity, 95 %", box=None)
    for row in sorted(found["models"], key=lambda row: row["ndcg@10"]):
        over = row.get("over_popularity", {}).get("ndcg@10")
        interval = "{difference:+.4f} ({low:+.4f} to {high:+.4f})".format(**over) if over else ""
        figures = [f"{row[metric]:.4f}" for metric in METRICS]
        table.add_row(escape(row["model"]), *figures, interval)
    out.print(table)


def print_topics(found: list[dict[str, Any]]) -> None:
    for topic in found:
        out.print(
            f"[bold]{escape(topic['name'])}[/]  {escape(topic['purpose'])}\n"
            f"  {topic['partitions']} partitions, kept {topic['retention_days']} days,"
            f" {topic['held']} offsets held, {topic['dead_letters_held']} of dead letters"
        )
        for group, lag in topic["lag"].items():
            out.print(f"  {escape(group)} is {lag} behind")


def print_ingest(topic: str, report: dict[str, Any]) -> None:
    out.print(
        f"{escape(topic)}: {report['read']} read, {report['changed']} changed something,"
        f" {report['dead_letters']} became dead letters"
    )


def print_letters(topic: str, found: list[dict[str, Any]]) -> None:
    for letter in found:
        replayed = "  [green]replayed[/]" if letter["replayed"] else ""
        out.print(
            f"[bold]{escape(topic)}\\[{letter['partition']}] {letter['offset']}[/]"
            f"  {escape(letter['rule'])}: {escape(letter['error'])}{replayed}\n"
            f"  sent {escape(to_text(letter['sent_at']))}, refused by {escape(letter['run_id'])}:"
            f" {letter['bytes']} bytes, {escape(str(letter['begins']))}"
        )
    if not found:
        out.print(f"No dead letters of {escape(topic)} wait.")


def print_tokens(found: list[dict[str, Any]]) -> None:
    for token in found:
        whose = f"listener {token['user_id']}" if token["user_id"] else "any listener"
        made = to_text(token["made_at"])
        out.print(f"[bold]{escape(token['name'])}[/]  {escape(whose)}, made {made}")
    if not found:
        out.print("There are no tokens: `./nocturne tokens NAME --listener LISTENER` makes one.")


def print_status(found: "Status") -> None:
    for name, healthy in found.healthy.items():
        mark = "[green]healthy[/]" if healthy else "[red]down[/]"
        out.print(f"{name:<8} {mark}  {escape(found.addresses[name])}")
    for process in found.processes:
        out.print(
            f"  {process.name:<22} {process.state:<9} pid {process.pid:<8} {process.up_seconds} s"
        )
    if not found.running:
        out.print("The stack is not running: `./nocturne up` starts it.")


def print_bench(result: dict[str, Any]) -> None:
    """Figures by name, and last whether they are sound."""
    print_figures(result)
    if result.get("sound") is False:
        why = escape(result["machine"]["disturbed_by"])
        out.print(f"\n[bold red]These ratios are not sound: the machine was not quiet.[/] {why}")
    elif result.get("sound"):
        out.print("\n[green]The machine was quiet: these ratios are sound.[/]")


def print_figures(figures: dict[str, Any], indent: str = "") -> None:
    """Figures by name, groups of them indented."""
    for name, value in figures.items():
        label = escape(str(name).replace("_", " "))
        if isinstance(value, dict):
            out.print(f"{indent}[bold]{label}[/]")
            print_figures(value, indent + "  ")
        else:
            out.print(f"{indent}{label:<34} {escape(show_figure(value))}")


def show_figure(value: object) -> str:
    if isinstance(value, list):
        return "  ".join(map(show_figure, value))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,}" if is_number else to_text(value)
