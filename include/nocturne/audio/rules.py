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
    TOO_LONG = "too_long"
    SILENT = "silent"
    NOT_FINITE = "not_finite"
    TOO_LARGE_IN_MEMORY = "too_large_in_memory"
    DECODER_FAILED = "decoder_failed"  # an error that nobody foresaw
    DECODER_DIED = "decoder_died"
    DECODER_HUNG = "decoder_hung"


TRANSIENT_RULES = frozenset(
    {Rule.UNREADABLE, Rule.DECODER_FAILED, Rule.DECODER_DIED, Rule.DECODER_HUNG}
)
"""Rules that may speak of the moment, the machine or a library's version and not of the content:
such files are tried again by the next job."""


class UnusableAudio(NocturneError):
    """A file that no features can be computed from; `reason` is a sentence for a person."""

    def __init__(self, rule: Rule, reason: str) -> None:
        super().__init__(rule, reason)
        self.rule = rule
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
