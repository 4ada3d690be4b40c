"""A person's word before a version goes live, where the settings ask for it."""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context

from nocturne.settings import load_settings

LONGEST_WAIT = timedelta(hours=12)


class ApproveCandidate(ApprovalOperator):
    """Waits for approval without holding a slot, if NOCTURNE_APPROVE is on; else passes at once.

    What nobody approves within NOCTURNE_APPROVE_HOURS is rejected. A rejection is noted with the
    version, and what comes after is skipped.
    """

    template_fields = (*ApprovalOperator.template_fields, "version")

    def __init__(self, *, version: str, **kwargs: Any) -> None:
        super().__init__(defaults=self.REJECT, response_timeout=LONGEST_WAIT, **kwargs)
        self.version = version

    def execute(self, context: Context) -> Any:
        settings = load_settings()
        if not settings.approve:
            self.log.info("NOCTURNE_APPROVE is off: nobody is asked")
            return None
        self.response_timeout = timedelta(hours=settings.approve_hours)
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
