"""A person's word before a version goes live, where the run or the settings ask for it."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from nocturne.settings import Settings, load_settings

LONGEST_WAIT = timedelta(hours=12)


class ApproveCandidate(ApprovalOperator):
    """Waits for approval without holding a slot, if it is asked for; else passes at once.

    The run's parameters `approve` and `approve_hours` decide, and where they are null the settings
    of those names. What nobody approves in that time is rejected. A rejection is noted with the
    version, and what comes after is skipped.
    """

    template_fields = (*ApprovalOperator.template_fields, "version")

    def __init__(self, *, version: str, **kwargs: Any) -> None:
        super().__init__(defaults=self.REJECT, response_timeout=LONGEST_WAIT, **kwargs)
        self.version = version

    def execute(self, context: Context) -> Any:
        wait = choose_wait(context["params"], load_settings())
        if wait is None:
            self.log.info("Neither the run nor NOCTURNE_APPROVE asks for approval")
            return None
        self.response_timeout = wait
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        # First: Airflow ends a rejected task by an exception, which skips what comes after.
        if "error" not in event:
            self.note_answer(event["chosen_options"] == [self.APPROVE], event["responded_by_user"])
        return super().execute_complete(context, event)

    def note_answer(self, approved: bool, user: Any) -> None:
        from nocturne.store.versions import note_approval
        from nocturne_airflow.services import open_database

        with open_database() as (database, _):
            note_approval(database, self.version, approved, user["name"] if user else None)


def choose_wait(params: Any, settings: Settings) -> timedelta | None:
    """How long a person is waited for; None: nobody is asked.

    A run of before these parameters were there has neither.
    """
    asked, hours = params.get("approve"), params.get("approve_hours")
    if not (settings.approve if asked is None else asked):
        return None
    return timedelta(hours=settings.approve_hours if hours is None else hours)
