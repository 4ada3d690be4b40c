"""Looking at single audio files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nocturne.errors import Misuse, NocturneError

app = typer.Typer()


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


@app.command()
def features(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    sample_rate: Annotated[
        str | None, typer.Option(metavar="HZ|native", help="Default: NOCTURNE_SAMPLE_RATE.")
    ] = None,
    excerpt: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="From the middle; 0: the whole file."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Of the output.")] = Format.JSON,
    output: Annotated[Path | None, typer.Option(help="A file instead of stdout.")] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG that one file is drawn into.")] = None,
) -> None:
    """The 518 features of audio files; files that give none are named with rule and reason."""
    if form is Format.PARQUET and output is None:
        raise Misuse("Parquet is no text: say with --output which file to write.")
    if plot is not None and len(files) != 1:
        raise Misuse("One picture shows one file: give --plot with a single file.")
    from nocturne.audio.describe import choose_analysis, describe_files
    from nocturne.audio.tables import write_described
    from nocturne.settings import load_settings

    analysis = choose_analysis(load_settings(), sample_rate, excerpt)
    described = list(describe_files(files, analysis))
    write_described(described, form.value, output)
    refused = [item for item in described if "rule" in item]
    if refused:
        listed = "".join(
            f"\n  {item['file']}: {item['rule']}: {item['reason']}" for item in refused
        )
        raise NocturneError(f"{len(refused)} of {len(files)} files gave no features:{listed}")
    if plot is not None:
        from nocturne.audio.plot import plot_file

        plot_file(files[0], analysis, plot)
