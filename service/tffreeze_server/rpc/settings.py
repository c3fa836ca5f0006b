"""A setting: one field of a dataclass that says what it means, how its value is read, and its default.

A value is text on the command line and in the environment, and typed in a TOML file. A parser takes either and gives
the typed value, or raises ValueError with what it expected, as the end of the sentence "... is not ...".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Parser = Callable[[object], Any]

T = TypeVar("T")

DAY_SECONDS = 86_400


class Setting(NamedTuple):
    """What is known of a setting besides its name, type and default.

    Attributes:
        metavar: What stands for its value in help; empty for a switch.
        parse: From text or TOML to the typed value.
        help: One sentence or two.
        section: The heading it stands under.

    """

    metavar: str
    parse: Parser
    help: str
    section: str


def setting(default: T, metavar: str, parse: Parser, text: str, section: str) -> T:
    """A field of a dataclass that is a setting. See `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(metavar, parse, text, section)})


ROOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SIZE = re.compile(r"(\d{1,18})\s*([A-Za-z]*)")


def whole(low: int, high: int) -> Parser:
    """A whole number in a range."""

    def parse(value: object) -> int:
        expected = ValueError(f"a whole number from {low} to {high}")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise expected
        try:
            number = int(value)
        except ValueError:
            raise expected from None
        if not low <= number <= high:
            raise expected
        return number

    return parse


def number(low: float, high: float) -> Parser:
    """A number in a range; fractions are welcome."""

    def parse(value: object) -> float:
        expected = ValueError(f"a number from {low:g} to {high:g}")
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise expected
        try:
            parsed = float(value)
        except ValueError:
            raise expected from None
        if not low <= parsed <= high:  # not a number lies nowhere
            raise expected
        return parsed

    return parse


def size(low: int, high: int) -> Parser:
    """Bytes, as a number or with a unit: `512MiB`."""

    def parse(value: object) -> int:
        expected = ValueError(f"a number of bytes from {low} to {high}, such as 65536, 512MiB or 2GiB")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise expected
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or match[2].upper() not in _UNITS:
            raise expected
        parsed = int(match[1]) * _UNITS[match[2].upper()]
        if not low <= parsed <= high:
            raise expected
        return parsed

    return parse


def switch(value: object) -> bool:
    """On or off; as text `1`, `true`, `0` or `false`."""
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "0": False, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("true or false")


def text(value: object) -> str:
    """Text without control characters."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("a text of at least one character, without control characters")
    return value


def path(value: object) -> Path:
    """The path of a file or folder."""
    try:
        return Path(text(value))
    except ValueError:
        raise ValueError("a path") from None


def choice(*names: str) -> Parser:
    """One of these words."""

    def parse(value: object) -> str:
        if value not in names:
            raise ValueError(" or ".join(filter(None, [", ".join(names[:-1]), names[-1]])))
        return str(value)

    return parse


def roots(value: object) -> dict[str, Path]:
    """Folders by name: a list or lines of `NAME=DIR`, or a TOML table."""
    if isinstance(value, str):
        value = [line.strip() for line in value.splitlines() if line.strip()]
    if isinstance(value, Mapping):
        pairs = [(str(name), folder) for name, folder in value.items()]
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        pairs = [(name, folder) for name, _, folder in (item.partition("=") for item in value)]
    else:
        raise ValueError("NAME=DIR")
    result: dict[str, Path] = {}
    for name, folder in pairs:
        if not ROOT_NAME.fullmatch(name) or not isinstance(folder, str) or not folder:
            raise ValueError(
                "NAME=DIR with a name of at most 63 letters, digits, dots, dashes and underscores"
            )
        if name in result:
            raise ValueError(f"NAME=DIR with each name once: {name!r} is there twice")
        result[name] = Path(folder)
    return result
