"""Every MUST of the contract that a server can break in a freeze, broken once, and the reason that a client gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import grpc

from peers.lying_server import Ends, Said
from tffreeze.v1.freeze_service_pb2 import FreezeResponse

Responses = list[FreezeResponse]
MIB = 1 << 20


class Lie(NamedTuple):
    """A changed answer.

    Attributes:
        delivery: What is asked for: `content` or `splice`.
        tell: Makes the lie of the honest answer.
        reason: What the client gives.
        match: A part of its message.
        arguments: What else is asked for.

    """

    delivery: str
    tell: Callable[[Responses], Iterable[Said]]
    reason: str
    match: str
    arguments: Mapping[str, Any] = MappingProxyType({})


def _content(data: bytes, file_index: int = 0) -> FreezeResponse:
    return FreezeResponse(content={"file_index": file_index, "data": data})


def _literal(data: bytes, file_index: int = 0) -> FreezeResponse:
    return FreezeResponse(splice={"file_index": file_index, "segments": [{"literal": data}]})


def _finished(sha256: bytes = b"") -> FreezeResponse:
    return FreezeResponse(finished={"sha256": sha256})


PROGRESS = FreezeResponse(progress={"stage": 3})
EMPTY_SHA256 = bytes(32)


def _index(responses: Responses, kind: str) -> int:
    return next(index for index, one in enumerate(responses) if one.WhichOneof("message") == kind)


def _only(kind: str) -> Callable[[Responses], Iterable[Said]]:
    return lambda honest: [one for one in honest if one.WhichOneof("message") == kind]


def _without(kind: str) -> Callable[[Responses], Iterable[Said]]:
    return lambda honest: [one for one in honest if one.WhichOneof("message") != kind]


def _before(kind: str, *said: Said) -> Callable[[Responses], Iterable[Said]]:
    def tell(honest: Responses) -> Iterable[Said]:
        at = _index(honest, kind)
        return [*honest[:at], *said, *honest[at:]]

    return tell


def _after(*said: Said) -> Callable[[Responses], Iterable[Said]]:
    return lambda honest: [*honest, *said]


def _instead(kind: str, *said: Said) -> Callable[[Responses], Iterable[Said]]:
    def tell(honest: Responses) -> Iterable[Said]:
        at = _index(honest, kind)
        return [*honest[:at], *said, *honest[at + 1 :]]

    return tell


def _with(kind: str, change: Callable[[Any], object]) -> Callable[[Responses], Iterable[Said]]:
    """Change the first message of a kind."""

    def tell(honest: Responses) -> Iterable[Said]:
        changed = [FreezeResponse.FromString(one.SerializeToString()) for one in honest]
        change(getattr(changed[_index(changed, kind)], kind))
        return changed

    return tell


def _size(size_bytes: int) -> Callable[[Responses], Iterable[Said]]:
    """Say the same wrong size everywhere."""

    def change(started: Any) -> None:
        started.files[0].size_bytes = started.report.size_bytes = started.total_size_bytes = size_bytes

    return _with("started", change)


def _crc32c(crc32c: int) -> Callable[[Responses], Iterable[Said]]:
    def change(started: Any) -> None:
        started.files[0].crc32c, started.report.crc32c = crc32c, f"{crc32c:08x}"

    return _with("started", change)


def _name(name: str) -> Callable[[Responses], Iterable[Said]]:
    return _with("started", lambda started: setattr(started.files[0], "name", name))


def _assets(*names: str, size_bytes: int = 0) -> Callable[[Responses], Iterable[Said]]:
    def change(started: Any) -> None:
        for name in names:
            started.files.add(name=name, size_bytes=size_bytes)
        started.total_size_bytes += size_bytes * len(names)

    return _with("started", change)


def _flip(content: Any) -> None:
    content.data = bytes([content.data[0] ^ 1]) + content.data[1:]


def _range(**fields: int) -> Callable[[Responses], Iterable[Said]]:
    """Change the first range."""

    def change(splice: Any) -> None:
        piece = next(one for one in splice.segments if one.WhichOneof("segment") == "range").range
        for name, value in fields.items():
            setattr(piece, name, value)

    return _with("splice", change)


def _append(*said: Said) -> Callable[[Responses], Iterable[Said]]:
    return _before("finished", *said)


def _twice(honest: Responses) -> Responses:
    at = _index(honest, "started")
    return [*honest[: at + 1], honest[at], *honest[at + 1 :]]


ORDER = {
    "nothing": Lie("content", lambda _: [], "INTERNAL", "before the result was complete"),
    "only progress": Lie("content", _only("progress"), "INTERNAL", "before the result was complete"),
    "only finished": Lie("content", _only("finished"), "INTERNAL", "wrong order"),
    "no started": Lie("content", _without("started"), "INTERNAL", "wrong order"),
    "no content": Lie("content", _without("content"), "INTERNAL", "bytes less"),
    "no pieces": Lie("splice", _without("splice"), "INTERNAL", "bytes less"),
    "no end": Lie("content", _without("finished"), "INTERNAL", "before the result was complete"),
    "started twice": Lie("content", _twice, "INTERNAL", "wrong order"),
    "progress after started": Lie("content", _before("content", PROGRESS), "INTERNAL", "wrong order"),
    "content after the end": Lie("content", _after(_content(b"x")), "INTERNAL", "wrong order"),
    "pieces after the end": Lie("splice", _after(_literal(b"x")), "INTERNAL", "wrong order"),
    "progress after the end": Lie("content", _after(PROGRESS), "INTERNAL", "wrong order"),
    "the end twice": Lie("content", _after(_finished()), "INTERNAL", "wrong order"),
    "an unknown message after the end": Lie("content", _after(b"\x7a\x01x"), "INTERNAL", "wrong order"),
    "an error after the end": Lie(
        "content", _after(Ends(grpc.StatusCode.INTERNAL, "oh")), "INTERNAL", "failed: INTERNAL: oh"
    ),
}


FILES = {
    "no files": Lie("content", _with("started", lambda s: s.ClearField("files")), "INTERNAL", "other files"),
    "text": Lie("content", _name("frozen.pbtxt"), "INTERNAL", "other files"),
    "no text": Lie("content", _name("frozen.pb"), "INTERNAL", "other files", {"as_text": True}),
    "a SavedModel": Lie("content", _name("saved_model.pb"), "INTERNAL", "other files"),
    "no SavedModel": Lie("content", _name("frozen.pb"), "INTERNAL", "other files", {"as_saved_model": True}),
    "a path": Lie("content", _name("../frozen.pb"), "INTERNAL", "other files"),
    "an absolute path": Lie("content", _name("/etc/passwd"), "INTERNAL", "other files"),
    "two files": Lie("content", _assets("assets/x"), "INTERNAL", "assets without a SavedModel"),
    "pieces for content": Lie(
        "content", _with("started", lambda s: setattr(s, "delivery", 2)), "INTERNAL", "another delivery"
    ),
    "content for pieces": Lie(
        "splice", _with("started", lambda s: setattr(s, "delivery", 1)), "INTERNAL", "another delivery"
    ),
    "no delivery": Lie(
        "content", _with("started", lambda s: s.ClearField("delivery")), "INTERNAL", "another delivery"
    ),
    "no crc32c": Lie(
        "content",
        _with("started", lambda s: s.files[0].ClearField("crc32c")),
        "INTERNAL",
        "no crc32c of the result",
    ),
    "another crc32c": Lie("content", _crc32c(1), "CHECKSUM_MISMATCH", "should have 00000001"),
    "another crc32c of pieces": Lie("splice", _crc32c(1), "CHECKSUM_MISMATCH", "should have 00000001"),
    "no report": Lie(
        "content",
        _with("started", lambda s: s.ClearField("report")),
        "INTERNAL",
        "report that does not match",
    ),
    "a report of another size": Lie(
        "content",
        _with("started", lambda s: setattr(s.report, "size_bytes", 7)),
        "INTERNAL",
        "report that does not match",
    ),
    "a report of another crc32c": Lie(
        "content",
        _with("started", lambda s: setattr(s.report, "crc32c", "00000000")),
        "INTERNAL",
        "report that does not match",
    ),
    "another total": Lie(
        "content", _with("started", lambda s: setattr(s, "total_size_bytes", 7)), "INTERNAL", "not the sum"
    ),
    "a negative size": Lie("content", _size(-1), "INTERNAL", "2 GiB"),
    "2 GiB": Lie("content", _size(1 << 31), "INTERNAL", "2 GiB"),
    "a terabyte": Lie("content", _size(1 << 40), "INTERNAL", "2 GiB"),
    "eight exabytes": Lie("splice", _size((1 << 63) - 1), "INTERNAL", "2 GiB"),
}

CONTENT = {
    "a byte more": Lie("content", _append(_content(b"x")), "INTERNAL", "more bytes"),
    "a byte less": Lie(
        "content", _with("content", lambda c: setattr(c, "data", c.data[1:])), "INTERNAL", "1 bytes less"
    ),
    "another bit": Lie("content", _with("content", _flip), "CHECKSUM_MISMATCH", "damaged"),
    "an empty chunk": Lie("content", _append(_content(b"")), "INTERNAL", "piece of 0 bytes"),
    "a chunk too large": Lie(
        "content", _before("content", _content(bytes(MIB + 1))), "INTERNAL", "piece of 1,048,577"
    ),
    "a message too large": Lie(
        "content", _before("content", _content(bytes(5 * MIB))), "INTERNAL", "must be below"
    ),
    "file -1": Lie("content", _append(_content(b"x", -1)), "INTERNAL", "wrong order"),
    "file 1": Lie("content", _append(_content(b"x", 1)), "INTERNAL", "was not announced"),
    "file 7": Lie("content", _append(_content(b"x", 7)), "INTERNAL", "wrong order"),
    "pieces in content": Lie("content", _before("content", _literal(b"x")), "INTERNAL", "another delivery"),
    "a sha256 that nobody wanted": Lie(
        "content", _instead("finished", _finished(EMPTY_SHA256)), "INTERNAL", "not requested"
    ),
    "no sha256": Lie(
        "content", _instead("finished", _finished()), "CHECKSUM_MISMATCH", "none", {"sha256": True}
    ),
    "another sha256": Lie(
        "content",
        _instead("finished", _finished(EMPTY_SHA256)),
        "CHECKSUM_MISMATCH",
        "sha256",
        {"sha256": True},
    ),
    "a short sha256": Lie(
        "content", _instead("finished", _finished(b"short")), "CHECKSUM_MISMATCH", "sha256", {"sha256": True}
    ),
    "a long sha256": Lie(
        "content",
        _instead("finished", _finished(bytes(MIB))),
        "CHECKSUM_MISMATCH",
        "sha256",
        {"sha256": True},
    ),
}

PIECES = {
    "content in pieces": Lie("splice", _before("splice", _content(b"x")), "INTERNAL", "another delivery"),
    "a literal more": Lie("splice", _append(_literal(b"x")), "INTERNAL", "more bytes"),
    "an empty literal": Lie("splice", _append(_literal(b"")), "INTERNAL", "piece of 0 bytes"),
    "a literal too large": Lie(
        "splice", _before("splice", _literal(bytes(MIB + 1))), "INTERNAL", "piece of 1,048,577"
    ),
    "a message too large": Lie(
        "splice",
        _before("splice", FreezeResponse(splice={"segments": [{"literal": bytes(MIB)}] * 2})),
        "INTERNAL",
        "must be below",
    ),
    "no pieces in a message": Lie(
        "splice", _before("splice", FreezeResponse(splice={})), "INTERNAL", "without pieces"
    ),
    "a piece that is none": Lie(
        "splice", _before("splice", FreezeResponse(splice={"segments": [{}]})), "INTERNAL", "piece of 0 bytes"
    ),
    "a file that was not declared": Lie("splice", _range(file_index=99), "INTERNAL", "did not declare"),
    "a file before the first": Lie("splice", _range(file_index=-1), "INTERNAL", "did not declare"),
    "an offset before the start": Lie("splice", _range(offset_bytes=-1), "INTERNAL", "did not declare"),
    "an offset after the end": Lie("splice", _range(offset_bytes=1 << 40), "INTERNAL", "past the end"),
    "an offset and a length that overflow": Lie(
        "splice", _range(offset_bytes=(1 << 63) - 1, length_bytes=(1 << 63) - 1), "INTERNAL", "past the end"
    ),
    "a length of 0": Lie("splice", _range(length_bytes=0), "INTERNAL", "did not declare"),
    "a negative length": Lie("splice", _range(length_bytes=-1), "INTERNAL", "did not declare"),
    "a length after the end": Lie("splice", _range(length_bytes=1 << 30), "INTERNAL", "past the end"),
    "another crc32c of a range": Lie("splice", _range(crc32c=1), "CHECKSUM_MISMATCH", "00000001"),
    "a sha256 of what it has not seen": Lie(
        "splice", _instead("finished", _finished(EMPTY_SHA256)), "INTERNAL", "not requested", {"sha256": True}
    ),
}

SAVED_MODEL: dict[str, Any] = {"as_saved_model": True}
BAD_ASSETS = {
    "a file that is no asset": ("variables/x",),
    "a folder that is no file": ("assets",),
    "out of the folder": ("assets/../../x",),
    "an absolute path": ("/assets/x",),
    "an empty part": ("assets//x",),
    "a backslash": ("assets/..\\x",),
    "a NUL": ("assets/x\0",),
    "a long name": (f"assets/{'x' * 256}",),
    "a deep name": ("assets/" + "x/" * 15 + "x",),
    "the same twice": ("assets/x", "assets/x"),
    "the same in another case": ("assets/x", "assets/X"),
    "a file that is a folder": ("assets/x", "assets/x/y"),
    "ten thousand and one": tuple(f"assets/{number}" for number in range(10_001)),
    "one that was not uploaded": ("assets/x",),
}
ASSETS = {
    **{
        name: Lie("content", _assets(*names), "INTERNAL", "asset", SAVED_MODEL)
        for name, names in BAD_ASSETS.items()
    },
    "a negative size": Lie(
        "content", _assets("assets/x", size_bytes=-1), "INTERNAL", "not an asset", SAVED_MODEL
    ),
}


def _field(number: int, data: bytes) -> bytes:
    length, encoded = len(data), bytearray()
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((number << 3 | 2, *encoded, length)) + data


BYTES = {
    "no message": Lie("content", _before("started", b"\xff" * 9), "INTERNAL", "not a FreezeResponse"),
    "half a message": Lie("content", _before("started", b"\x12\x7f\x01"), "INTERNAL", "not a FreezeResponse"),
    "no UTF-8": Lie(
        "content",
        _before("started", _field(2, _field(2, _field(1, b"\xff")))),
        "INTERNAL",
        "not a FreezeResponse",
    ),
    "millions of files": Lie(
        "content", lambda _: [_field(2, _field(2, b"") * 2_000_001)], "INTERNAL", "more than 2,000,000 fields"
    ),
    "millions of variables": Lie(
        "content",
        lambda _: [_field(2, _field(1, _field(6, b"") * (8 * MIB)))],
        "INTERNAL",
        "2,000,000 fields",
    ),
    "millions of sizes": Lie(
        "content",
        lambda _: [_field(2, _field(1, _field(6, _field(6, _field(1, bytes(16 * MIB))))))],
        "INTERNAL",
        "2,000,000 fields",
    ),
    "groups in groups": Lie("content", lambda _: [b"\x7b" * (2 * MIB)], "INTERNAL", "truncated"),
    "more than gRPC takes": Lie("content", lambda _: [bytes(65 * MIB)], "INTERNAL", "RESOURCE_EXHAUSTED"),
    "metadata without end": Lie(
        "content",
        lambda _: [Ends(grpc.StatusCode.INTERNAL, trailers=(("x-bin", bytes(MIB)),))],
        "INTERNAL",
        "failed",
    ),
    "details that are none": Lie(
        "content",
        lambda _: [Ends(grpc.StatusCode.INTERNAL, trailers=(("grpc-status-details-bin", b"\xff\xff"),))],
        "INTERNAL",
        "failed",
    ),
}

LIES = {
    f"{group}: {name}": lie
    for group, lies in (
        ("order", ORDER),
        ("files", FILES),
        ("content", CONTENT),
        ("pieces", PIECES),
        ("assets", ASSETS),
        ("bytes", BYTES),
    )
    for name, lie in lies.items()
}
