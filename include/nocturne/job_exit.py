"""How every Spark job ends."""

import sys
from collections.abc import Callable, Sequence

from nocturne.errors import BadInput
from nocturne.plain_text import clean_logs, plain_lines

# The Airflow adapter takes this exit code for "do not try again"; 64 is EX_USAGE of BSD sysexits.
BAD_INPUT_EXIT = 64


def run_main(main: Callable[[Sequence[str]], None]) -> None:
    """Run a job's main with the command line; bad input ends it with its message and code 64."""
    clean_logs()
    try:
        main(sys.argv[1:])
    except BadInput as error:
        sys.stderr.write(f"BadInput: {plain_lines(str(error))}\n")
        sys.exit(BAD_INPUT_EXIT)
