"""Writing reports as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tffreeze.cli import stdout
from tffreeze.output import output_failures
from tffreeze.printable import printable_json
from tffreeze_files.writer import write_whole


def write_json(value: dict[str, Any], target: str) -> None:
    """Write JSON to a file, completely or not at all, or to stdout (`-`): UTF-8 in every locale.

    Raises:
        RequestError: OUTPUT_NOT_WRITABLE.
        ServiceError: DISK_FULL.

    """
    data = printable_json(json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    if target == stdout.NAME:
        stdout.write(data)
        return
    with output_failures():
        write_whole(Path(target), data)
