"""What a client may not do, and the answer that it must get. One row each.

A row names the words of the contract that it breaks: a test looks for them in `proto/`, so a rule that changes
takes its rows along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from rpc.harness import Feed
from rpc.models import DIGITS, FIXTURES, MOVING_AVERAGE, SPLICE, WITH_ASSET, FreezeRequest, FreezeSpec
from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze_common.wire import field as wire_field

Stream = Callable[[], Iterable[Message | bytes]]
"""Makes the messages of the client; ones that are no message of the contract are bytes."""


@dataclass(frozen=True)
class Violation:
    """A call that must fail.

    Attributes:
        rule: Words of the contract that it breaks.
        stream: What the client sends.
        reason: What it is told.
        field: The field at fault; empty where there is none.
        method: The RPC.
        is_slow: Whether the server must lose patience with it.

    """

    rule: str
    stream: Stream
    reason: str = "UPLOAD_MALFORMED"
    field: str = ""
    method: str = "Freeze"
    is_slow: bool = False


def sent(*messages: Message | bytes) -> Stream:
    """Send these messages and half-close."""
    return lambda: iter(messages)


def held(*messages: Message) -> Stream:
    """Send these messages, and keep the stream open."""
    return lambda: Feed(*messages)


def spec(**fields: Any) -> FreezeRequest:
    """A spec for the digits of the model root."""
    return FreezeRequest(spec=FreezeSpec(**{"source": DIGITS.in_root("samples", FIXTURES), **fields}))


def root(model: str = "", **fields: str) -> FreezeRequest:
    """A spec for a model of the model root."""
    return spec(source=model_pb2.ModelSource(model_root="samples", model=model, **fields))


def chunk(index: int, offset: int, size: int) -> FreezeRequest:
    """A chunk of zeros."""
    return FreezeRequest(chunk=model_pb2.FileChunk(file_index=index, offset_bytes=offset, data=bytes(size)))


def upload(*sizes: int) -> FreezeRequest:
    """A spec with files `0`, `1` … of these sizes."""
    return named(*map(str, range(len(sizes))), sizes=sizes)


def named(*names: str, sizes: Iterable[int] = ()) -> FreezeRequest:
    """A spec with files of these names."""
    sizes = list(sizes) or [0] * len(names)
    files = [
        model_pb2.UploadedFile(name=name, size_bytes=size) for name, size in zip(names, sizes, strict=True)
    ]
    return spec(source=model_pb2.ModelSource(upload=model_pb2.Upload(files=files), model="0"))


def with_absent(**fields: Any) -> Iterator[FreezeRequest]:
    """The freeze of a model whose data file stays with the client."""
    return MOVING_AVERAGE.requests(MOVING_AVERAGE.names[-1:], **fields)


def _with_absent_of_one_byte() -> Iterator[FreezeRequest]:
    requests = list(with_absent(delivery=SPLICE))
    requests[0].spec.source.upload.files[2].size_bytes = 1
    return iter(requests)


def _with_chunks_of_absent() -> Iterator[FreezeRequest]:
    yield next(with_absent(delivery=SPLICE))
    for each in MOVING_AVERAGE.chunks():
        yield FreezeRequest(chunk=each)


def _with_a_name_that_is_no_utf8() -> bytes:
    """A spec in which a byte of a name is none of UTF-8."""
    return named("model_pb").SerializeToString().replace(b"model_pb", b"model\xffpb")


def _with_an_absent_asset() -> Iterator[FreezeRequest]:
    """A SavedModel whose asset stays with the client."""
    model = WITH_ASSET.encode()
    files = [
        model_pb2.UploadedFile(name="saved_model.pbtxt", size_bytes=len(model)),
        model_pb2.UploadedFile(name="assets/words.txt", size_bytes=7, absent=True),
    ]
    source = model_pb2.ModelSource(upload=model_pb2.Upload(files=files), model="saved_model.pbtxt")
    request = FreezeRequest(spec=FreezeSpec(source=source, delivery=SPLICE))
    request.spec.options.as_saved_model = True
    yield request
    yield FreezeRequest(chunk=model_pb2.FileChunk(data=model))


def trickled() -> Iterator[FreezeRequest]:
    """Send a megabyte, byte by byte."""
    yield upload(1 << 20)
    for offset in range(1 << 20):
        yield FreezeRequest(chunk=model_pb2.FileChunk(offset_bytes=offset, data=b"x"))


_INSPECT = freeze_service_pb2.InspectRequest
_FILES = "spec.source.upload.files"
# A spec (1) whose source (1) is an upload (1) of a million files without a name.
_LONG = wire_field(1, wire_field(1, wire_field(1, b"\x0a\x00" * (1 << 20))))
_FIRST = "MUST send one `spec` first"
_ONE = "One MUST be set"
_ORDER = "MUST send the files in the declared order, each from start to end without gaps"
_EXACT = "MUST refuse more or fewer bytes than this"
_PATH = "MUST NOT be absolute and MUST NOT contain an empty part"
_UNIQUE = "Names MUST be unique"
_NO_CHUNKS = "Files that are absent or of size 0 have no chunks"

VIOLATIONS: dict[str, Violation] = {
    # The order of messages.
    "nothing": Violation(_FIRST, sent(), field="spec"),
    "chunk first": Violation(_FIRST, sent(chunk(0, 0, 1)), field="spec"),
    "two specs": Violation(_FIRST, sent(upload(5), upload(5)), field="chunk"),
    "never half-closed": Violation("then half-close", held(spec()), "CLIENT_TOO_SLOW", is_slow=True),
    "not half-closed after the last byte": Violation(
        "half-close the stream after the last byte",
        held(upload(1), chunk(0, 0, 1)),
        "CLIENT_TOO_SLOW",
        is_slow=True,
    ),
    "no byte comes": Violation(
        "The client sent or read nothing", held(upload(1)), "CLIENT_TOO_SLOW", is_slow=True
    ),
    "a byte at a time": Violation(
        "The minimum speed at which a client MUST send", trickled, "CLIENT_TOO_SLOW", is_slow=True
    ),
    "chunk for a root": Violation(
        "For a model root there are no chunks", sent(spec(), chunk(0, 0, 1)), field="chunk"
    ),
    # Messages.
    "empty message": Violation(_ONE, sent(FreezeRequest()), field="spec"),
    "empty message later": Violation(_ONE, sent(upload(5), FreezeRequest()), field="chunk"),
    "no message at all": Violation(_ONE, sent(b"\xff\xff"), field="spec"),
    "empty message to Inspect": Violation(_ONE, sent(_INSPECT()), field="spec", method="Inspect"),
    "garbage to Inspect": Violation(_ONE, sent(b"\x0a\x05"), field="spec", method="Inspect"),
    "a million empty files": Violation(
        "The first message MUST be at most 1 MiB",
        sent(_LONG),
        field="spec",
    ),
    "a million empty files later": Violation(
        "MUST have its fields in the order",
        sent(upload(5), _LONG),
        field="chunk",
    ),
    "a chunk among fields that mean nothing": Violation(
        "MUST NOT hold more than 1 KiB besides the data",
        sent(upload(5), chunk(0, 0, 5).SerializeToString() + b"\xf8\x07\x01" * 400),
        field="chunk",
    ),
    # The spec.
    "no source": Violation(
        "The model. REQUIRED.", sent(FreezeRequest(spec=FreezeSpec())), "INVALID_OPTION", "spec.source"
    ),
    "no source for Inspect": Violation(
        "The model. REQUIRED.",
        sent(_INSPECT(spec=freeze_service_pb2.InspectSpec())),
        "INVALID_OPTION",
        "spec.source",
        "Inspect",
    ),
    "no place": Violation(
        _ONE, sent(spec(source=model_pb2.ModelSource(model="m"))), "INVALID_OPTION", "spec.source"
    ),
    "no model": Violation("REQUIRED", sent(root()), "INVALID_OPTION", "spec.source.model"),
    "unknown delivery": Violation(
        "How to transfer the result", sent(spec(delivery=7)), "INVALID_OPTION", "spec.delivery"
    ),
    "splice of a root": Violation(
        "Only for an upload", sent(spec(delivery=SPLICE)), "INVALID_OPTION", "spec.delivery"
    ),
    "sha256 of a splice": Violation(
        "Not for SPLICE",
        lambda: MOVING_AVERAGE.requests(delivery=SPLICE, want_sha256=True),
        "INVALID_OPTION",
        "spec.want_sha256",
    ),
    # Paths.
    "absolute model": Violation(_PATH, sent(root("/etc/passwd")), "INVALID_OPTION"),
    "model outside": Violation(_PATH, sent(root("../samples")), "INVALID_OPTION"),
    "checkpoint outside": Violation(_PATH, sent(root("digits", checkpoint="a/../../b")), "INVALID_OPTION"),
    "saver outside": Violation(_PATH, sent(root("digits", saver="../b")), "INVALID_OPTION"),
    "op list outside": Violation(_PATH, sent(root("digits", op_list="../b")), "INVALID_OPTION"),
    "absolute file": Violation(_PATH, sent(named("/0")), field=f"{_FILES}[0].name"),
    "empty part": Violation(_PATH, sent(named("a//b")), field=f"{_FILES}[0].name"),
    "empty name": Violation(_PATH, sent(named("")), field=f"{_FILES}[0].name"),
    "dot": Violation(_PATH, sent(named("a/./b")), field=f"{_FILES}[0].name"),
    "dots": Violation(_PATH, sent(named("a/../../b")), field=f"{_FILES}[0].name"),
    "backslash": Violation(_PATH, sent(named("a\\b")), field=f"{_FILES}[0].name"),
    "NUL": Violation(_PATH, sent(named("a\0b")), field=f"{_FILES}[0].name"),
    "same name": Violation(_UNIQUE, sent(named("a", "a")), field=f"{_FILES}[1].name"),
    "same name but for case": Violation(_UNIQUE, sent(named("a", "A")), field=f"{_FILES}[1].name"),
    "a file as a folder": Violation(
        "no name may be a folder of another", sent(named("a", "a/b")), field=f"{_FILES}[1].name"
    ),
    "too long a name": Violation(
        "`Limits.max_file_name_bytes`", sent(named("a/" * 600 + "a")), field=f"{_FILES}[0].name"
    ),
    "too deep a name": Violation("at most 16 parts", sent(named("a/" * 16 + "a")), field=f"{_FILES}[0].name"),
    "too long a part": Violation(
        "a part MUST be at most 255 bytes", sent(named("ok", "a/" + "ä" * 128)), field=f"{_FILES}[1].name"
    ),
    "too many folders": Violation(
        "1,000 folders",
        sent(named(*(f"{number}/{'a/' * 14}f" for number in range(67)))),
        "UPLOAD_TOO_LARGE",
        _FILES,
    ),
    "absolute absent file": Violation(_PATH, sent(named("a", "/etc/passwd")), field=f"{_FILES}[1].name"),
    "name that is no UTF-8": Violation("in UTF-8", sent(_with_a_name_that_is_no_utf8()), field="spec"),
    "too long a path in a root": Violation(
        "a part MUST be at most 255 bytes", sent(root("a" * 256)), "INVALID_OPTION"
    ),
    "a NUL in a path of a root": Violation(_PATH, sent(root("a\0b")), "INVALID_OPTION"),
    "absent asset": Violation(
        "Only for data files of a checkpoint", _with_an_absent_asset, "WEIGHTS_NEEDED", "spec.delivery"
    ),
    "too many files": Violation(
        "At most `Limits.max_upload_files`",
        sent(named(*map(str, range(1001)))),
        "UPLOAD_TOO_LARGE",
        _FILES,
    ),
    "more than fits": Violation(
        "`Limits.max_upload_bytes` bytes", sent(upload(1 << 62)), "UPLOAD_TOO_LARGE", _FILES
    ),
    "negative size": Violation(_EXACT, sent(upload(-1)), field=f"{_FILES}[0].size_bytes"),
    # Chunks.
    "gap": Violation(_ORDER, sent(upload(5), chunk(0, 1, 4)), field="chunk.offset_bytes"),
    "overlap": Violation(_ORDER, sent(upload(5), chunk(0, 0, 3), chunk(0, 2, 3)), field="chunk.offset_bytes"),
    "other order": Violation(_ORDER, sent(upload(5, 5), chunk(1, 0, 5)), field="chunk.file_index"),
    "back again": Violation(
        _ORDER, sent(upload(5, 5), chunk(0, 0, 5), chunk(0, 0, 5)), field="chunk.file_index"
    ),
    "no such file": Violation(_ORDER, sent(upload(5), chunk(9, 0, 5)), field="chunk.file_index"),
    "no such file, negative": Violation(_ORDER, sent(upload(5), chunk(-1, 0, 5)), field="chunk.file_index"),
    "more than declared": Violation(_EXACT, sent(upload(5), chunk(0, 0, 6)), field="chunk.data"),
    "less than declared": Violation(_EXACT, sent(upload(5), chunk(0, 0, 4)), field="chunk"),
    "after the end": Violation(_EXACT, sent(upload(5), chunk(0, 0, 5), chunk(0, 5, 1)), field="chunk"),
    "empty chunk": Violation("at least 1, at most", sent(upload(5), chunk(0, 0, 0)), field="chunk.data"),
    "too long a chunk": Violation(
        "at most `Limits.max_chunk_bytes`",
        sent(upload(3 << 20), chunk(0, 0, (2 << 20) + 1)),
        field="chunk.data",
    ),
    "chunk of an empty file": Violation(_NO_CHUNKS, sent(upload(0), chunk(0, 0, 1)), field="chunk"),
    "chunk of an absent file": Violation(_NO_CHUNKS, _with_chunks_of_absent, field="chunk"),
    "absent with content": Violation("with delivery SPLICE or for", with_absent, field=f"{_FILES}[2].absent"),
    "absent file shorter than its tensors": Violation(
        "MUST still be exact", _with_absent_of_one_byte, "MALFORMED_CHECKPOINT"
    ),
}
