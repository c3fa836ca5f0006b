"""What can go wrong, as exceptions that a caller can branch on.

Every error is a `TffreezeError` with the `reason` of the contract (`tffreeze.v1.ErrorReason`, without its
prefix). The class says whose turn it is to act:

    TffreezeError
    ├── RequestError            ask for something else
    │   ├── NotFoundError       what was named is not there
    │   └── AccessError         the server does not let this caller
    ├── ModelFileError          the model or checkpoint is damaged
    └── ServiceError            the service's or the machine's fault
        ├── BusyError           not now: try again later
        ├── UnavailableError    the server cannot be reached, or is about to end: try again
        └── TimeLimitError      the time was over
"""

from __future__ import annotations

import copyreg
from typing import Any

from tffreeze.printable import printable


class TffreezeError(Exception):
    """A call that did not give what was asked for.

    Attributes:
        reason: The name of the `ErrorReason`, such as `CHECKPOINT_NOT_FOUND`.
        message: Whole sentences for a person, with the next step.
        subject: What it is about (a node, variable, key, tag or file); empty where there is no one thing.
        retryable: Whether the same call may succeed later: the server said so, or could not be reached.
        retry_after_seconds: How long the server asks to wait before; None: it does not say.

    """

    retry_after_seconds: float | None = None

    def __init__(self, reason: str, message: str, subject: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = subject
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        """Let `pickle` and `copy` make it anew without the constructor, whose arguments are not `args`."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # untyped

    def __str__(self) -> str:
        return printable(f"{self.message} [{self.reason}]")


class RequestError(TffreezeError):
    """The request cannot be fulfilled: ask for something else."""


class NotFoundError(RequestError):
    """What the request names is not there."""


class AccessError(RequestError):
    """The server does not let this caller do this."""


class ModelFileError(TffreezeError):
    """A file is not what it says it is: damaged, cut short, unreadable."""


class ServiceError(TffreezeError):
    """The service, or the machine it runs on, is at fault."""


class BusyError(ServiceError):
    """The service has no room now: try again later."""


class UnavailableError(ServiceError):
    """The service cannot be reached, or is about to end: try again."""


class TimeLimitError(ServiceError):
    """The time for the call was over, or it was cancelled."""


CLASSES: dict[str, type[TffreezeError]] = {
    "INVALID_OPTION": RequestError,
    "MODEL_NOT_FOUND": NotFoundError,
    "TAGS_NOT_FOUND": NotFoundError,
    "SIGNATURE_NOT_FOUND": NotFoundError,
    "OUTPUTS_NEEDED": RequestError,
    "OUTPUT_NOT_FOUND": NotFoundError,
    "INPUT_NOT_FOUND": NotFoundError,
    "VARIABLE_NOT_FOUND": NotFoundError,
    "CHECKPOINT_NEEDED": RequestError,
    "CHECKPOINT_NOT_FOUND": NotFoundError,
    "RESTORE_OP_NOT_FOUND": NotFoundError,
    "FILENAME_TENSOR_NOT_FOUND": NotFoundError,
    "VARIABLE_NOT_IN_CHECKPOINT": RequestError,
    "VARIABLE_MISMATCH": RequestError,
    "VALUES_DISAGREE": RequestError,
    "REACHABLE_WRITE": RequestError,
    "UNSUPPORTED_RESTORE": RequestError,
    "UNSUPPORTED_INITIALIZER": RequestError,
    "UNSUPPORTED_OP": RequestError,
    "UNKNOWN_OP": RequestError,
    "UNSUPPORTED_DTYPE": RequestError,
    "UNSUPPORTED_MODEL": RequestError,
    "GRAPH_TOO_LARGE": RequestError,
    "MODEL_TOO_COMPLEX": RequestError,
    "OUTPUT_NOT_WRITABLE": RequestError,
    "WEIGHTS_NEEDED": RequestError,
    "MODEL_ROOT_NOT_FOUND": NotFoundError,
    "UPLOAD_MALFORMED": RequestError,
    "UPLOAD_TOO_LARGE": RequestError,
    "UNAUTHENTICATED": AccessError,
    "PERMISSION_DENIED": AccessError,
    "ENGINE_NOT_INSTALLED": RequestError,
    "MALFORMED_MODEL": ModelFileError,
    "MALFORMED_CHECKPOINT": ModelFileError,
    "CHECKSUM_MISMATCH": ModelFileError,
    "BIG_ENDIAN_CHECKPOINT": ModelFileError,
    "SHARD_NOT_FOUND": ModelFileError,
    "FILE_NOT_READABLE": ModelFileError,
    "INTERNAL": ServiceError,
    "DISK_FULL": ServiceError,
    "TOO_MANY_JOBS": BusyError,
    "QUOTA_EXCEEDED": BusyError,
    "DRAINING": UnavailableError,
    "DEADLINE_EXCEEDED": TimeLimitError,
    "CANCELLED": TimeLimitError,
    "CLIENT_TOO_SLOW": BusyError,
    "UNAVAILABLE": UnavailableError,
    "PLANNER_LIMIT_EXCEEDED": ServiceError,
}
"""The class of each reason of the contract. Total by test."""


def error_for(reason: str, message: str, subject: str = "", *, retryable: bool = False) -> TffreezeError:
    """Make the exception for a reason; a `ServiceError` for one that the contract does not have."""
    return CLASSES.get(reason, ServiceError)(reason, message, subject, retryable=retryable)
