"""The name of a call in logs: given by the caller, or made."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

METADATA_KEY = "tffreeze-request-id"

_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Give the caller's id where it is one that the contract allows; else a new one."""
    for key, value in metadata:
        if key == METADATA_KEY and isinstance(value, str) and _ALLOWED.fullmatch(value):
            return value
    return str(uuid.uuid4())
