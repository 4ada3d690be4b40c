"""The kinds of failure that callers treat differently.

Every message names what went wrong, where, and what to do about it.
"""


class NocturneError(Exception):
    """A failure that we understand; its message is meant for the person who runs Nocturne."""


class BadInput(NocturneError):
    """Data or settings that no retry can mend: the task fails at once."""


class Misuse(BadInput):
    """A setting or an argument that cannot be meant so: the command line exits with 2."""


class TooManyRefusals(BadInput):
    """The share of files, rows or messages set aside is above the limit that a setting gives."""


class ServiceUnavailable(NocturneError):
    """A server did not answer in time: worth a retry."""
