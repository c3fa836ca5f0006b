"""Text of others, made fit for a terminal.

A name in a model, or a message of a server, may hold escape sequences that move the cursor, change colours or the
window's title, or marks that turn the order of letters round. What cannot be seen is shown as Python's `repr` would.
"""

from __future__ import annotations

import re

_UNUSUAL = re.compile(r"[^ -~]+")
_UNUSUAL_IN_JSON = re.compile(r"[^\n -~]+")


def printable(text: str) -> str:
    """Escape what has no shape of its own; a line break, too: one text is one line."""
    return _UNUSUAL.sub(lambda match: "".join(map(_shown, match[0])), text)


def encodable(text: str, encoding: str | None) -> str:
    """Escape what an encoding has no bytes for, such as `…` in ASCII."""
    name = encoding or "ascii"
    return text.encode(name, "backslashreplace").decode(name)


def printable_json(text: str) -> str:
    """Escape the same in JSON, as JSON does: it stays the same value."""
    return _UNUSUAL_IN_JSON.sub(lambda match: "".join(map(_json, match[0])), text)


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def _json(letter: str) -> str:
    if letter.isprintable():
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
