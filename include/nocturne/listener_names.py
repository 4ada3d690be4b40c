"""What a listener may be called: the same for whoever writes and whoever reads."""

import unicodedata

LONGEST = 200
RULE = f"A listener's name has 1 to {LONGEST} characters, no slash and no control character."


def settle_name(name: str) -> str:
    """The name in Unicode's composed form (NFC): keyboards and systems spell one name in two ways.

    Raises ValueError with the rule that it breaks.
    """
    if name.isascii() and name.isprintable() and "/" not in name and 1 <= len(name) <= LONGEST:
        return name
    settled = unicodedata.normalize("NFC", name)
    unusable = any(unicodedata.category(sign) in ("Cc", "Cs") for sign in settled)
    if not 1 <= len(settled) <= LONGEST or "/" in settled or unusable:
        raise ValueError(RULE)
    return settled
