"""What a supervisor tells a worker, and the one word it gets back. Imports no gRPC."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tffreeze_server.server.config import Raw

READY = b"ready\n"
"""What a worker says once it serves."""


def encode_task(number: int, raw: Mapping[str, Raw]) -> bytes:
    """Make the line that tells a worker its number and its settings."""
    settings = {name: [value.value, value.origin] for name, value in raw.items()}
    return json.dumps({"worker": number, "settings": settings}).encode() + b"\n"


def decode_task(line: bytes) -> tuple[int, dict[str, Raw]]:
    """Read that line."""
    task: dict[str, Any] = json.loads(line)
    return task["worker"], {name: Raw(*value) for name, value in task["settings"].items()}
