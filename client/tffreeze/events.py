"""The events of a freeze on a server, in their order.

    Working …, Started, Writing …, Finished

If an attempt fails and is retried, the events start over. Only `Finished` is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tffreeze.result import FreezeResult
    from tffreeze_common.report import Report


@dataclass(frozen=True, slots=True)
class Working:
    """The server is receiving or planning.

    Attributes:
        stage: `QUEUED`, `RECEIVING` or `PLANNING`; `UNSPECIFIED` for a stage that this client does not know.
        received_bytes: Bytes of files received so far.
        upload_bytes: Bytes of the whole upload.

    """

    stage: str
    received_bytes: int
    upload_bytes: int


@dataclass(frozen=True, slots=True)
class Started:
    """The report is known; no byte of the result has arrived yet.

    Attributes:
        report: What was frozen from what.
        total_bytes: Size of the result, assets included.

    """

    report: Report
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Writing:
    """The result is being written. One event for about every megabyte, and one for the last byte.

    Attributes:
        done_bytes: Bytes written so far.
        total_bytes: Size of the result.

    """

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The result is complete, checked, and at its target. The last event.

    Attributes:
        result: What `freeze` returns.

    """

    result: FreezeResult


FreezeEvent = Working | Started | Writing | Finished
