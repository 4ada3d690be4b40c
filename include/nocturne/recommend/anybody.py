"""The listener whom no version knows."""

ANYBODY = ""
"""The user_id of the list for listeners whom the version does not know; no real one is empty."""
