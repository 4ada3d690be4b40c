"""Commands about topics and what is read from them."""

from typing import Annotated, Any

import typer

from nocturne.commands.options import Json, stop_when_asked

app = typer.Typer()
TopicName = Annotated[str, typer.Argument(help="tracks.features, user_activity, …")]


@app.command()
def topics(as_json: Json = False) -> None:
    """Create the topics that are missing; their purpose, what they hold, the lag of each group."""
    from dataclasses import asdict

    from nocturne.console import print_json, print_topics
    from nocturne.streaming import describe_all_topics, find_servers

    found = [asdict(topic) for topic in describe_all_topics(find_servers())]
    print_json(found) if as_json else print_topics(found)


@app.command()
def ingest(
    topic: TopicName,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """Load what a topic holds into MongoDB, up to its present end or for good."""
    from dataclasses import asdict

    from nocturne.console import print_ingest, print_json
    from nocturne.streaming import find_servers, open_ingest

    with open_ingest(find_servers(), topic) as reading:
        report = asdict(reading.follow(stop_when_asked()) if follow else reading.run())
    print_json(report) if as_json else print_ingest(topic, report)


@app.command("dead-letters")
def dead_letters(
    topic: TopicName,
    replay: Annotated[bool, typer.Option("--replay", help="Send them to the topic again.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show replayed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """What was set aside and why; after a fix, feed it back, each letter once."""
    from nocturne.console import out, print_json, print_letters
    from nocturne.streaming import describe_letters, find_servers, replay_letters

    servers = find_servers()
    if replay:
        sent = replay_letters(servers, topic)
        print_json({"replayed": sent}) if as_json else out.print(f"{sent} sent to {topic} again")
        return
    found: list[dict[str, Any]] = describe_letters(servers, topic, everything)
    print_json(found) if as_json else print_letters(topic, found)
