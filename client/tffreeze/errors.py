"""The exceptions of the client.

Every error is a `TffreezeError` with the `reason` of the contract (`tffreeze.v1.ErrorReason`, without its
prefix). The class says what to do:

    TffreezeError
    ├── RequestError            change the request
    │   ├── NotFoundError       something named does not exist
    │   └── AccessError         this caller is not allowed
    ├── ModelFileError          the model or checkpoint is damaged
    └── ServiceError            a problem of the service or the machine
        ├── BusyError           try again later
        ├── UnavailableError    the server cannot be reached, or is shutting down: try again
        └── TimeLimitError      the time limit was reached, or the call was cancelled
"""

from __future__ import annotations

import copyreg
from typing import Any

from tffreeze.printable import printable


class TffreezeError(Exception):
    """A call failed.

    Attributes:
        reason: The name of the `ErrorReason`, such as `CHECKPOINT_NOT_FOUND`.
        message: Sentences for a person, with the next step.
        subject: The node, variable, key, tag or file that the error is about; empty if there is no single one.
        retryable: Whether the same call may succeed later: the server said so, or could not be reached.
        retry_after_seconds: The delay that the server asks for; None if it asks for none.

    """

    retry_after_seconds: float | None = None

    def __init__(self, reason: str, message: str, subject: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = subject
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        """Let `pickle` and `copy` skip the constructor, whose arguments are not `args`."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # untyped

    def __str__(self) -> str:
        return printable(f"{self.message} [{self.reason}]")


class RequestError(TffreezeError):
    """The request cannot be fulfilled: change it."""


class NotFoundError(RequestError):
    """Something that the request names does not exist."""


class AccessError(RequestError):
    """The server does not allow this caller to do this."""


class ModelFileError(TffreezeError):
    """A file is damaged, truncated or unreadable."""


class ServiceError(TffreezeError):
    """A problem of the service, or of the machine that it runs on."""


class BusyError(ServiceError):
    """The service is busy: try again later."""


class UnavailableError(ServiceError):
    """The service cannot be reached, or is shutting down: try again."""


class TimeLimitError(ServiceError):
    """The call reached its time limit, or was cancelled."""


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
    """Make the exception for a reason; a `ServiceError` for an unknown one."""
    return CLASSES.get(reason, ServiceError)(reason, message, subject, retryable=retryable)
