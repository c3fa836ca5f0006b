"""Escaping untrusted text for a terminal.

A name in a model or a message of a server may contain escape sequences that move the cursor, change colours or the
window's title, or marks that reverse the order of letters. Such characters are escaped as in Python's `repr`.
"""

from __future__ import annotations

import re

_UNUSUAL = re.compile(r"[^ -~]+")
_UNUSUAL_IN_JSON = re.compile(r"[^\n -~]+")


def printable(text: str) -> str:
    """Escape invisible characters, including line breaks: the result is one line."""
    return _UNUSUAL.sub(lambda match: "".join(map(_shown, match[0])), text)


def encodable(text: str, encoding: str | None) -> str:
    """Escape characters that an encoding lacks, such as `…` in ASCII."""
    name = encoding or "ascii"
    return text.encode(name, "backslashreplace").decode(name)


def printable_json(text: str) -> str:
    """Escape the same characters in JSON syntax, which keeps the value."""
    return _UNUSUAL_IN_JSON.sub(lambda match: "".join(map(_json, match[0])), text)


def _shown(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def _json(letter: str) -> str:
    if letter.isprintable():
        return letter
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
