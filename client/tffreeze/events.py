"""What a freeze by a server tells on its way, one after the other.

    Working …, Started, Writing …, Finished

Where an attempt fails and another is made, it begins anew: before `Finished` nothing is final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tffreeze.result import FreezeResult
    from tffreeze_common.report import Report


@dataclass(frozen=True, slots=True)
class Working:
    """The server receives the model, or works on it.

    Attributes:
        stage: `QUEUED`, `RECEIVING` or `PLANNING`; `UNSPECIFIED` for one that this client does not know.
        received_bytes: Bytes of files that the server has received.
        upload_bytes: Bytes of files that it will have received.

    """

    stage: str
    received_bytes: int
    upload_bytes: int


@dataclass(frozen=True, slots=True)
class Started:
    """What the result will be is known; no byte of it has come.

    Attributes:
        report: What was frozen from what.
        total_bytes: Bytes that there will be, assets included.

    """

    report: Report
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Writing:
    """The result is being written; told for every megabyte or so, and for the last byte.

    Attributes:
        done_bytes: Bytes that were written.
        total_bytes: Bytes that there will be.

    """

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The result is whole, right, and where it was asked for. The last one.

    Attributes:
        result: What `freeze` would have given.

    """

    result: FreezeResult


FreezeEvent = Working | Started | Writing | Finished
