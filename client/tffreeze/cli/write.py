"""Writing what is not the frozen graph: reports as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tffreeze.cli import stdout
from tffreeze.output import output_failures
from tffreeze_files.writer import write_whole


def write_json(value: dict[str, Any], target: str) -> None:
    """Write to a file, whole or not at all, or to stdout (`-`): UTF-8, whatever the locale.

    Raises:
        RequestError: OUTPUT_NOT_WRITABLE.
        ServiceError: DISK_FULL.

    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # File names may hold bytes that are not UTF-8: Python's escapes of those are JSON's, too.
    data = text.encode("utf-8", "backslashreplace")
    if target == stdout.NAME:
        stdout.write(data)
        return
    with output_failures():
        write_whole(Path(target), data)
