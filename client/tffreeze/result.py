"""The results of a freeze."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tffreeze_common.report import Report


@dataclass(frozen=True, slots=True)
class FreezeResult:
    """A frozen model, written to its target.

    Attributes:
        report: What was frozen from what.
        output: The file or directory; None for a stream.
        sha256: Of the GraphDef, or of `saved_model.pb`, in hex; None if not requested.

    """

    report: Report
    output: Path | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class FrozenBytes:
    """A frozen model in memory.

    Attributes:
        report: What was frozen from what.
        data: The GraphDef, binary or text as requested.
        sha256: Of `data`, in hex; None if not requested.

    """

    report: Report
    data: bytes
    sha256: str | None = None
