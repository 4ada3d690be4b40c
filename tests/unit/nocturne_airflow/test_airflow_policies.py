import airflow.sdk.exceptions
import pydantic
import pymongo.errors
import pytest
from airflow.sdk import RetryAction

from nocturne.errors import BadInput, Misuse, NocturneError, ServiceUnavailable, TooManyRefusals
from nocturne_airflow.policies import FAIL_AT_ONCE, default_arguments


def decide(error: BaseException) -> RetryAction:
    return FAIL_AT_ONCE.evaluate(error, try_number=1, max_tries=3).action


def unusable() -> pydantic.ValidationError:
    class Message(pydantic.BaseModel):
        track_id: str

    with pytest.raises(pydantic.ValidationError) as raised:
        Message.model_validate({})
    return raised.value


@pytest.mark.parametrize("error", [BadInput("x"), Misuse("x"), TooManyRefusals("x"), unusable()])
def test_bad_data_is_not_tried_again(error):
    assert decide(error) is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailable("x"),
        NocturneError("x"),
        pymongo.errors.AutoReconnect("x"),
        airflow.sdk.exceptions.AirflowException("x"),
        ConnectionError("x"),
        ValueError("x"),
    ],
)
def test_anything_else_takes_the_retries_of_the_task(error):
    assert decide(error) is RetryAction.DEFAULT


def test_retries_outlast_a_restarted_broker():
    """Pauses of 10, 20 and 40 s: MongoDB elects a primary in 12 s, Kafka starts in less."""
    arguments = default_arguments()
    pauses = [
        arguments["retry_delay"].total_seconds() * arguments["retry_exponential_backoff"] ** tries
        for tries in range(arguments["retries"])
    ]
    assert pauses == [10, 20, 40]
    assert max(pauses) < arguments["max_retry_delay"].total_seconds()
