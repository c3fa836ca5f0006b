"""Writing what is not the frozen graph: reports as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tffreeze.errors import error_for


def write_json(value: dict[str, Any], target: str) -> None:
    """Write to a file, whole or not at all, or to stdout (`-`).

    Raises:
        RequestError: OUTPUT_NOT_WRITABLE.

    """
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        message = f"The report cannot be written to {target!r}: {error.strerror}."
        raise error_for("OUTPUT_NOT_WRITABLE", message, target) from None
