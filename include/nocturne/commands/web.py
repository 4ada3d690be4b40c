"""The web app, the live recommender, simulated listeners."""

from typing import Annotated, Any

import typer

from nocturne.commands.options import Json, log_to_stderr, open_catalogue, stop_when_asked
from nocturne.errors import Misuse

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address; default: NOCTURNE_WEB_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: NOCTURNE_WEB_PORT.")
    ] = None,
) -> None:
    """Run the web app: the pages, and the API under /api/v1."""
    from nocturne.console import say
    from nocturne.streaming import find_both_servers

    given = {"web_host": host, "web_port": port}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = find_both_servers().model_copy(update=chosen)
    from nocturne.web.serving import serve as run

    log_to_stderr()
    run(settings, say)


@app.command()
def live() -> None:
    """Follow what listeners do, and renew their recommendations; more of it share the work."""
    from nocturne.console import say
    from nocturne.streaming import find_both_servers

    settings = find_both_servers()
    from nocturne.web.serving import recommend_live

    log_to_stderr()
    made = recommend_live(settings, stop_when_asked(), say)
    say(f"{made} lists made")


@app.command()
def simulate(
    listeners: Annotated[int, typer.Option(min=1, help="How many.")] = 10,
    rate: Annotated[float, typer.Option(min=0.01, help="Events a second, of all together.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Of tastes and chances.")] = 0,
) -> None:
    """Send what simulated listeners do to `user_activity`, until interrupted."""
    from nocturne.console import say
    from nocturne.streaming import find_both_servers

    servers = find_both_servers()
    from nocturne.web.serving import simulate as run

    say(f"{listeners} listeners, {rate:g} events a second; Ctrl-C sends them home")
    say(f"{run(servers, listeners, rate, seed, stop_when_asked())} events sent")


@app.command()
def tokens(
    name: Annotated[str, typer.Argument(help="Make one of this name; without it, list all.")] = "",
    listener: Annotated[str | None, typer.Option(help="Whom it speaks for.")] = None,
    anybody: Annotated[
        bool, typer.Option("--anybody", help="It speaks for every listener, and may act for all.")
    ] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    as_json: Json = False,
) -> None:
    """Tokens for the web app, which are needed where others than this machine can reach it."""
    if revoke and not name:
        raise Misuse("Name the token to revoke.")
    if name and not revoke and anybody == (listener is not None):
        raise Misuse("Say whom the token is for: --listener NAME for one listener, or --anybody.")
    from nocturne.console import out, print_json, print_tokens

    with open_catalogue() as catalogue:
        from nocturne.store.tokens import list_tokens, make_token, revoke_token

        if revoke:
            revoke_token(catalogue.database, name)
        elif name:
            token = make_token(catalogue.database, name, listener)
            print_json({"name": name, "token": token}) if as_json else out.print(token)
        else:
            found: list[dict[str, Any]] = list_tokens(catalogue.database)
            print_json(found) if as_json else print_tokens(found)
