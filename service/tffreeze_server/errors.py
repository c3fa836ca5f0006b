"""Everything that can go wrong, by reason.

The reasons are the ones of the public contract (`tffreeze.v1.ErrorReason` has a value of the same name
for each); what a reason means for a caller (status, retry, exception class) stands in one table at the
RPC edge. A message is whole sentences: what was asked for, where it was looked for, what is there
instead, and the next step.
"""

from __future__ import annotations

import copyreg
import difflib
import enum
import heapq
import operator
from collections.abc import Iterable
from typing import Any


class Reason(enum.Enum):
    """Why a freeze did not happen, by whose turn it is to act."""

    # Your request: ask for something else.
    INVALID_OPTION = enum.auto()
    MODEL_NOT_FOUND = enum.auto()
    TAGS_NOT_FOUND = enum.auto()
    SIGNATURE_NOT_FOUND = enum.auto()
    OUTPUTS_NEEDED = enum.auto()
    OUTPUT_NOT_FOUND = enum.auto()
    INPUT_NOT_FOUND = enum.auto()
    VARIABLE_NOT_FOUND = enum.auto()
    CHECKPOINT_NEEDED = enum.auto()
    CHECKPOINT_NOT_FOUND = enum.auto()
    RESTORE_OP_NOT_FOUND = enum.auto()
    FILENAME_TENSOR_NOT_FOUND = enum.auto()
    VARIABLE_NOT_IN_CHECKPOINT = enum.auto()
    VARIABLE_MISMATCH = enum.auto()
    VALUES_DISAGREE = enum.auto()
    REACHABLE_WRITE = enum.auto()
    UNSUPPORTED_RESTORE = enum.auto()
    UNSUPPORTED_INITIALIZER = enum.auto()
    UNSUPPORTED_OP = enum.auto()
    UNKNOWN_OP = enum.auto()
    UNSUPPORTED_DTYPE = enum.auto()
    UNSUPPORTED_MODEL = enum.auto()
    GRAPH_TOO_LARGE = enum.auto()
    MODEL_TOO_COMPLEX = enum.auto()
    OUTPUT_NOT_WRITABLE = enum.auto()
    # The plan needs data files that the caller kept (splice).
    WEIGHTS_NEEDED = enum.auto()
    MODEL_ROOT_NOT_FOUND = enum.auto()
    UPLOAD_MALFORMED = enum.auto()
    UPLOAD_TOO_LARGE = enum.auto()
    UNAUTHENTICATED = enum.auto()
    PERMISSION_DENIED = enum.auto()

    # Your file: it is not what it says it is.
    MALFORMED_MODEL = enum.auto()
    MALFORMED_CHECKPOINT = enum.auto()
    CHECKSUM_MISMATCH = enum.auto()
    BIG_ENDIAN_CHECKPOINT = enum.auto()
    SHARD_NOT_FOUND = enum.auto()
    FILE_NOT_READABLE = enum.auto()

    # Our fault, or the machine's, or the service's that is busy.
    DISK_FULL = enum.auto()
    INTERNAL = enum.auto()
    TOO_MANY_JOBS = enum.auto()
    QUOTA_EXCEEDED = enum.auto()
    DRAINING = enum.auto()
    DEADLINE_EXCEEDED = enum.auto()
    CANCELLED = enum.auto()
    CLIENT_TOO_SLOW = enum.auto()
    PLANNER_LIMIT_EXCEEDED = enum.auto()


class FreezeError(Exception):
    """A freeze that did not happen, with its reason.

    Attributes:
        reason: The machine-readable reason.
        message: Whole sentences for a person; never holds a path outside what the caller named.
        subject: What it is about: the name of a node, variable, key, tag or file as the caller knows it.
        field: The field of the request at fault, such as `spec.source.upload.files[2].name`; empty where the reason
            alone tells it, or none is.

    """

    def __init__(self, reason: Reason, message: str, *, subject: str = "", field: str = "") -> None:
        message = printable(message)
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = printable(subject)
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        """Let `pickle` and `copy` make it anew without the constructor, whose arguments are not `args`."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # untyped

    def __str__(self) -> str:
        return f"{self.message} [{self.reason.name}]"


def printable(name: str) -> str:
    r"""The same where it can be encoded as UTF-8; of a path that is not, bytes that are not, as `\xNN`.

    Python holds such bytes of a path as lone surrogates, which no message, terminal or JSON takes.
    """
    if name.isascii():
        return name
    return name.encode("utf-8", "backslashreplace").decode()


MAX_NAMES_IN_MESSAGE = 8
MAX_NAME_CHARACTERS = 200
"""Of a name that is suggested or listed in a message; the rest is left out."""
MAX_COMPARED_CHARACTERS = 2_000_000
"""Of all names that are compared with one, which takes less than a second."""
_MAX_CANDIDATES = 50
"""The names that are looked at closely: that takes time with the square of their length."""
_MAX_SUGGESTIONS = 3


def nearest(name: str, existing: Iterable[str]) -> str:
    """A sentence naming what exists and is most like `name`, or what exists at all.

    The names that share most pairs of neighbouring characters with `name` (Dice's coefficient) are compared with it
    closely. So the work is linear in the length of all names, and bounded.

    Args:
        name: The name that was asked for.
        existing: The names that are there.

    Returns:
        For example `Did you mean 'dense/kernel'?` or `There are: 'a', 'b' and 3 more.`

    """
    names = sorted(set(existing))
    if not names:
        return "There are none."
    wanted = _pairs(name)
    compared = 0
    alike: list[tuple[float, str]] = []
    for other in names:
        compared += min(len(other), MAX_NAME_CHARACTERS)
        if compared > MAX_COMPARED_CHARACTERS:
            break
        pairs = _pairs(other)
        alike.append((-len(wanted & pairs) / (len(wanted) + len(pairs)), other))
    candidates = {_shortened(other): other for _, other in heapq.nsmallest(_MAX_CANDIDATES, alike)}
    close = difflib.get_close_matches(_shortened(name), candidates, _MAX_SUGGESTIONS)
    if close:
        return f"Did you mean {' or '.join(_quoted(candidates[other]) for other in close)}?"
    return f"There are: {listed(names)}."


def listed(names: Iterable[str]) -> str:
    """`'a', 'b' and 3 more`: names for a message, bounded."""
    names = list(names)
    shown = ", ".join(map(_quoted, names[:MAX_NAMES_IN_MESSAGE]))
    more = len(names) - MAX_NAMES_IN_MESSAGE
    return f"{shown} and {more} more" if more > 0 else shown


def _pairs(name: str) -> set[str]:
    """The pairs of neighbouring characters of a name, its ends marked."""
    marked = f"\0{_shortened(name)}\0"
    return set(map(operator.add, marked, marked[1:]))


def _shortened(name: str) -> str:
    return name[:MAX_NAME_CHARACTERS]


def _quoted(name: str) -> str:
    return repr(name) if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]!r}…"
