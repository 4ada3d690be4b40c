import subprocess
import sys

import pytest

from nocturne.job_exit import BAD_INPUT_EXIT

JOB = """
from nocturne import errors
from nocturne.job_exit import run_main

def main(arguments):
    if arguments:
        raise getattr(errors, arguments[0], ValueError)("rows 3, 5 [of tracks.csv] have no id")
    print("done")

run_main(main)
"""


def run_job(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", JOB, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_job_that_is_done_exits_with_0():
    done = run_job()
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("error", ["BadInput", "TooManyRefusals", "Misuse"])
def test_bad_input_exits_with_64_and_its_message_alone(error):
    done = run_job(error)
    assert done.returncode == BAD_INPUT_EXIT == 64
    assert done.stderr == "BadInput: rows 3, 5 [of tracks.csv] have no id\n"


@pytest.mark.parametrize("error", ["ServiceUnavailable", "anything else"])
def test_what_a_retry_may_mend_exits_otherwise_with_its_traceback(error):
    done = run_job(error)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
