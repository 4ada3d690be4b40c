"""What the commands about nights ask and say."""

import pytest

from nocturne.errors import NocturneError
from nocturne.nightly import STOP_RUN, tell_what_goes_on


def test_ctrl_c_says_what_goes_on_and_how_to_stop_it():
    words = "run manual__1 goes on in Airflow.*mark the run as failed.*nocturne down"
    with pytest.raises(NocturneError, match=words), tell_what_goes_on("run manual__1", STOP_RUN):
        raise KeyboardInterrupt


def test_nothing_else_is_caught():
    with pytest.raises(ZeroDivisionError), tell_what_goes_on("it", STOP_RUN):
        raise ZeroDivisionError
