"""How tasks are retried."""

from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

SPARK_POOL = "spark"
MONGO_POOL = "mongo"

FAIL_AT_ONCE = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=["nocturne.errors.BadInput", "pydantic.ValidationError"],
            action=RetryAction.FAIL,
            reason="bad data or settings: a retry would fail again",
        )
    ]
)


def default_arguments() -> dict[str, Any]:
    """Three tries more, 10 s to 5 min apart: longer than a broker or a primary takes to return."""
    return {
        "owner": "nocturne",
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=5),
        "retry_policy": FAIL_AT_ONCE,
        "execution_timeout": timedelta(hours=3),
    }
