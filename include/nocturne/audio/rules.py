"""Why an audio file was refused: a closed list of rules."""

from enum import StrEnum

from nocturne.errors import NocturneError


class Rule(StrEnum):
    """Names that quarantine, store and reports share; a published name never changes."""

    UNREADABLE = "unreadable"  # the file system refused; the file itself may be good
    EMPTY = "empty"
    NOT_AUDIO = "not_audio"
    DAMAGED = "damaged"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    NOT_FINITE = "not_finite"


TRANSIENT_RULES = frozenset({Rule.UNREADABLE})
"""Rules that speak of the moment and not of the content: such files are tried again."""


class UnusableAudio(NocturneError):
    """A file that no features can be computed from; `reason` is a sentence for a person."""

    def __init__(self, rule: Rule, reason: str) -> None:
        super().__init__(rule, reason)
        self.rule = rule
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
