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

from typing import NamedTuple


class TffreezeError(Exception):
    """A call that did not give what was asked for.

    Attributes:
        reason: The name of the `ErrorReason`, such as `CHECKPOINT_NOT_FOUND`.
        message: Whole sentences for a person, with the next step.
        subject: What it is about (a node, variable, key, tag or file); empty where there is no one thing.
        retryable: Whether the same call may succeed later.
        retry_after_seconds: How long the server asks to wait before; None: it does not say.

    """

    retry_after_seconds: float | None = None

    def __init__(self, reason: str, message: str, subject: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = subject
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}]"


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


class Meaning(NamedTuple):
    """What a reason means to a caller."""

    error: type[TffreezeError]
    retryable: bool = False


MEANINGS: dict[str, Meaning] = {
    "INVALID_OPTION": Meaning(RequestError),
    "MODEL_NOT_FOUND": Meaning(NotFoundError),
    "TAGS_NOT_FOUND": Meaning(NotFoundError),
    "SIGNATURE_NOT_FOUND": Meaning(NotFoundError),
    "OUTPUTS_NEEDED": Meaning(RequestError),
    "OUTPUT_NOT_FOUND": Meaning(NotFoundError),
    "INPUT_NOT_FOUND": Meaning(NotFoundError),
    "VARIABLE_NOT_FOUND": Meaning(NotFoundError),
    "CHECKPOINT_NEEDED": Meaning(RequestError),
    "CHECKPOINT_NOT_FOUND": Meaning(NotFoundError),
    "RESTORE_OP_NOT_FOUND": Meaning(NotFoundError),
    "FILENAME_TENSOR_NOT_FOUND": Meaning(NotFoundError),
    "VARIABLE_NOT_IN_CHECKPOINT": Meaning(RequestError),
    "VARIABLE_MISMATCH": Meaning(RequestError),
    "VALUES_DISAGREE": Meaning(RequestError),
    "REACHABLE_WRITE": Meaning(RequestError),
    "UNSUPPORTED_RESTORE": Meaning(RequestError),
    "UNSUPPORTED_INITIALIZER": Meaning(RequestError),
    "UNSUPPORTED_OP": Meaning(RequestError),
    "UNKNOWN_OP": Meaning(RequestError),
    "UNSUPPORTED_DTYPE": Meaning(RequestError),
    "UNSUPPORTED_MODEL": Meaning(RequestError),
    "GRAPH_TOO_LARGE": Meaning(RequestError),
    "MODEL_TOO_COMPLEX": Meaning(RequestError),
    "OUTPUT_NOT_WRITABLE": Meaning(RequestError),
    "WEIGHTS_NEEDED": Meaning(RequestError),
    "MODEL_ROOT_NOT_FOUND": Meaning(NotFoundError),
    "UPLOAD_MALFORMED": Meaning(RequestError),
    "UPLOAD_TOO_LARGE": Meaning(RequestError),
    "UNAUTHENTICATED": Meaning(AccessError),
    "PERMISSION_DENIED": Meaning(AccessError),
    "ENGINE_NOT_INSTALLED": Meaning(RequestError),
    "MALFORMED_MODEL": Meaning(ModelFileError),
    "MALFORMED_CHECKPOINT": Meaning(ModelFileError),
    "CHECKSUM_MISMATCH": Meaning(ModelFileError),
    "BIG_ENDIAN_CHECKPOINT": Meaning(ModelFileError),
    "SHARD_NOT_FOUND": Meaning(ModelFileError),
    "FILE_NOT_READABLE": Meaning(ModelFileError),
    "INTERNAL": Meaning(ServiceError),
    "DISK_FULL": Meaning(ServiceError, retryable=True),
    "TOO_MANY_JOBS": Meaning(BusyError, retryable=True),
    "QUOTA_EXCEEDED": Meaning(BusyError, retryable=True),
    "DRAINING": Meaning(UnavailableError, retryable=True),
    "DEADLINE_EXCEEDED": Meaning(TimeLimitError),
    "CANCELLED": Meaning(TimeLimitError),
    "CLIENT_TOO_SLOW": Meaning(BusyError, retryable=True),
    "UNAVAILABLE": Meaning(UnavailableError, retryable=True),
    "PLANNER_LIMIT_EXCEEDED": Meaning(ServiceError),
}
"""What each reason of the contract means. Total by test."""


def error_for(reason: str, message: str, subject: str = "") -> TffreezeError:
    """Make the exception for a reason; a `ServiceError` for one that a newer server has made up."""
    meaning = MEANINGS.get(reason, Meaning(ServiceError))
    return meaning.error(reason, message, subject, retryable=meaning.retryable)
