"""The gRPC status of a failed call, with its details.

One table maps each reason to its status; a test compares it with the contract. A status is sent in two trailers:
its message as text (`grpc-message`), and all of it (`grpc-status-details-bin`). Every receiver accepts 8 KiB of
trailers, so texts are cut to fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # untyped in old versions

from tffreeze_server.errors import FreezeError, Reason

DOMAIN = "tffreeze"
RETRY_AFTER_SECONDS = 1.0
"""What a refused caller is told to wait."""
DETAILS_KEY = "grpc-status-details-bin"

MAX_MESSAGE_BYTES = 2048
MAX_PLAIN_MESSAGE_BYTES = 3072
"""As it is sent: what is not printable ASCII takes three bytes for each of its own."""
MAX_SUBJECT_BYTES = 512

_Code = grpc.StatusCode


class Meaning(NamedTuple):
    """What a reason means to a caller.

    Attributes:
        code: The gRPC status.
        retry: Whether the same call may succeed later.
        field: The field of the request that is at fault, where it is always the same one.

    """

    code: grpc.StatusCode
    retry: bool = False
    field: str = ""


_ASK_ELSE, _NOT_THERE, _CANNOT = _Code.INVALID_ARGUMENT, _Code.NOT_FOUND, _Code.FAILED_PRECONDITION
_BUSY = _Code.RESOURCE_EXHAUSTED

MEANINGS: dict[Reason, Meaning] = {
    Reason.INVALID_OPTION: Meaning(_ASK_ELSE),
    Reason.MODEL_NOT_FOUND: Meaning(_NOT_THERE, field="spec.source.model"),
    Reason.TAGS_NOT_FOUND: Meaning(_NOT_THERE, field="spec.options.tags"),
    Reason.SIGNATURE_NOT_FOUND: Meaning(_NOT_THERE, field="spec.options.signature_keys"),
    Reason.OUTPUTS_NEEDED: Meaning(_ASK_ELSE, field="spec.options.output_nodes"),
    Reason.OUTPUT_NOT_FOUND: Meaning(_NOT_THERE, field="spec.options.output_nodes"),
    Reason.INPUT_NOT_FOUND: Meaning(_NOT_THERE, field="spec.options.input_nodes"),
    Reason.VARIABLE_NOT_FOUND: Meaning(_NOT_THERE),
    Reason.CHECKPOINT_NEEDED: Meaning(_ASK_ELSE, field="spec.source.checkpoint"),
    Reason.CHECKPOINT_NOT_FOUND: Meaning(_NOT_THERE, field="spec.source.checkpoint"),
    Reason.RESTORE_OP_NOT_FOUND: Meaning(_NOT_THERE, field="spec.options.restore_op"),
    Reason.FILENAME_TENSOR_NOT_FOUND: Meaning(_NOT_THERE, field="spec.options.filename_tensor"),
    Reason.VARIABLE_NOT_IN_CHECKPOINT: Meaning(_CANNOT),
    Reason.VARIABLE_MISMATCH: Meaning(_CANNOT),
    Reason.VALUES_DISAGREE: Meaning(_CANNOT),
    Reason.REACHABLE_WRITE: Meaning(_CANNOT),
    Reason.UNSUPPORTED_RESTORE: Meaning(_CANNOT),
    Reason.UNSUPPORTED_INITIALIZER: Meaning(_CANNOT),
    Reason.UNSUPPORTED_OP: Meaning(_CANNOT),
    Reason.UNKNOWN_OP: Meaning(_CANNOT),
    Reason.UNSUPPORTED_DTYPE: Meaning(_CANNOT),
    Reason.UNSUPPORTED_MODEL: Meaning(_CANNOT),
    Reason.GRAPH_TOO_LARGE: Meaning(_CANNOT),
    Reason.MODEL_TOO_COMPLEX: Meaning(_CANNOT),
    Reason.OUTPUT_NOT_WRITABLE: Meaning(_CANNOT),
    Reason.WEIGHTS_NEEDED: Meaning(_CANNOT, field="spec.delivery"),
    Reason.MODEL_ROOT_NOT_FOUND: Meaning(_NOT_THERE, field="spec.source.model_root"),
    Reason.UPLOAD_MALFORMED: Meaning(_ASK_ELSE),
    Reason.UPLOAD_TOO_LARGE: Meaning(_ASK_ELSE, field="spec.source.upload.files"),
    Reason.UNAUTHENTICATED: Meaning(_Code.UNAUTHENTICATED),
    Reason.PERMISSION_DENIED: Meaning(_Code.PERMISSION_DENIED),
    Reason.MALFORMED_MODEL: Meaning(_CANNOT),
    Reason.MALFORMED_CHECKPOINT: Meaning(_CANNOT),
    Reason.CHECKSUM_MISMATCH: Meaning(_Code.DATA_LOSS),
    Reason.BIG_ENDIAN_CHECKPOINT: Meaning(_CANNOT),
    Reason.SHARD_NOT_FOUND: Meaning(_NOT_THERE),
    Reason.FILE_NOT_READABLE: Meaning(_CANNOT),
    Reason.DISK_FULL: Meaning(_BUSY, retry=True),
    Reason.INTERNAL: Meaning(_Code.INTERNAL),
    Reason.TOO_MANY_JOBS: Meaning(_BUSY, retry=True),
    Reason.QUOTA_EXCEEDED: Meaning(_BUSY, retry=True),
    Reason.DRAINING: Meaning(_Code.UNAVAILABLE, retry=True),
    Reason.DEADLINE_EXCEEDED: Meaning(_Code.DEADLINE_EXCEEDED),
    Reason.CANCELLED: Meaning(_Code.CANCELLED),
    Reason.CLIENT_TOO_SLOW: Meaning(_Code.ABORTED, retry=True),
    Reason.PLANNER_LIMIT_EXCEEDED: Meaning(_BUSY),
}
"""What each reason means."""


@dataclass(frozen=True, slots=True)
class CallStatus:
    """How a call fails, as gRPC wants it.

    Attributes:
        code: The gRPC status.
        message: For `grpc-message`.
        details: For `grpc-status-details-bin`.

    """

    code: grpc.StatusCode
    message: str
    details: status_pb2.Status


def status_of(error: FreezeError) -> CallStatus:
    """Say how a call fails.

    Args:
        error: Why.

    """
    meaning = MEANINGS[error.reason]
    message = cut(error.message, MAX_MESSAGE_BYTES)
    details: list[Any] = [_error_info(error)]
    field = error.field or meaning.field
    if field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=cut(message, MAX_SUBJECT_BYTES)
        )
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if meaning.retry:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(int(RETRY_AFTER_SECONDS * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=meaning.code.value[0], message=message)
    status.details.extend(map(_packed, details))
    return CallStatus(meaning.code, _cut_plain(message), status)


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: FreezeError) -> None:
    """End a call with an error. Nothing can be sent after that; what the handler returns is not looked at.

    Raises:
        grpc.aio.AbortError: The client has it: for gRPC's server, to be let through.

    """
    status = status_of(error)
    trailers = ((DETAILS_KEY, status.details.SerializeToString()),)
    try:
        await context.abort(status.code, status.message, trailers)
    except grpc.aio.AbortError:
        raise
    except grpc.aio.BaseError:
        return  # the client went away while this waited for it to read


def cut(text: str, max_bytes: int) -> str:
    """Cut a text to `max_bytes` of UTF-8, with `…` at the end then; what is not UTF-8 becomes `?`."""
    data = text.encode("utf-8", "replace")
    if len(data) > max_bytes:
        data = data[: max_bytes - 3].decode("utf-8", "ignore").encode() + "…".encode()
    return data.decode()


def _error_info(error: FreezeError) -> error_details_pb2.ErrorInfo:
    metadata = {"subject": cut(error.subject, MAX_SUBJECT_BYTES)} if error.subject else {}
    return error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata)


def _packed(message: Any) -> any_pb2.Any:  # noqa: ANN401 - any message
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _cut_plain(message: str) -> str:
    """Cut a message so that it is short enough percent-encoded, as gRPC sends it."""
    while len(quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")) > MAX_PLAIN_MESSAGE_BYTES:
        message = cut(message, len(message.encode()) * 3 // 4)
    return message
