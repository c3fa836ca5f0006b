"""What a freeze gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tffreeze_common.report import Report


@dataclass(frozen=True, slots=True)
class FreezeResult:
    """A frozen model that was written.

    Attributes:
        report: What was frozen from what.
        output: The file or directory; None where a stream was written.
        sha256: Of the GraphDef, or of the SavedModel's one message, in hex; None where it was not asked for.

    """

    report: Report
    output: Path | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class FrozenBytes:
    """A frozen model in memory.

    Attributes:
        report: What was frozen from what.
        data: The GraphDef, binary or text as asked for.
        sha256: Of `data`, in hex; None where it was not asked for.

    """

    report: Report
    data: bytes
    sha256: str | None = None
