"""Nothing that a server says is believed: a result is whole and right, or an error."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections import deque
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tffreeze.asked import Asked
from tffreeze.errors import ModelFileError, TffreezeError
from tffreeze.events import Working, Writing
from tffreeze.local_file import LocalFile
from tffreeze.output import StreamOutput, open_output
from tffreeze.receive import Receiver
from tffreeze.v1.freeze_service_pb2 import DELIVERY_CONTENT, DELIVERY_SPLICE, FreezeResponse, FreezeSpec

DATA = bytes(range(256)) * 4
MAX = (1 << 31) - 1


def _started(
    size_bytes: int = len(DATA),
    crc32c: int | None = None,
    name: str = "frozen.pb",
    delivery: Any = DELIVERY_CONTENT,
) -> FreezeResponse:
    response = FreezeResponse()
    started = response.started
    file = started.files.add(name=name, size_bytes=size_bytes)
    file.crc32c = google_crc32c.value(DATA) if crc32c is None else crc32c
    started.total_size_bytes, started.delivery = size_bytes, delivery
    started.report.size_bytes, started.report.crc32c = size_bytes, f"{file.crc32c:08x}"
    return response


def _spliced(**arguments: Any) -> FreezeResponse:
    return _started(delivery=DELIVERY_SPLICE, **arguments)


def _asked(
    *files: LocalFile, delivery: Any = DELIVERY_CONTENT, saved_model: bool = False, sha256: bool = False
) -> Asked:
    spec = FreezeSpec(delivery=delivery, options={"as_saved_model": saved_model}, want_sha256=sha256)
    return Asked(spec, files)


def _content(data: bytes = DATA, file_index: int = 0) -> FreezeResponse:
    response = FreezeResponse()
    response.content.file_index = file_index
    response.content.data = data
    return response


def _range(
    offset_bytes: int, length_bytes: int, file_index: int = 0, crc32c: int | None = None
) -> FreezeResponse:
    response = FreezeResponse()
    piece = response.splice.segments.add().range
    piece.file_index, piece.offset_bytes, piece.length_bytes = file_index, offset_bytes, length_bytes
    if crc32c is not None:
        piece.crc32c = crc32c
    return response


def _finished() -> FreezeResponse:
    response = FreezeResponse()
    response.finished.SetInParent()
    return response


@pytest.fixture
def weights(tmp_path: Path) -> LocalFile:
    """A local data file."""
    path = tmp_path / "weights"
    path.write_bytes(DATA)
    return LocalFile("model/weights", path, len(DATA), is_weights=True)


def _receive(messages: list[FreezeResponse], asked: Asked) -> bytes:
    stream = io.BytesIO()
    with Receiver(StreamOutput(stream), asked) as receiver:
        for message in messages:
            deque(receiver.take(message), maxlen=0)
        assert receiver.finished
    return stream.getvalue()


def test_content_and_ranges_make_the_same(weights: LocalFile) -> None:
    """Chunks, literals and ranges are put together in order."""
    whole = [_started(), _content(DATA[:9]), _content(DATA[9:]), _finished()]
    assert DATA == _receive(whole, _asked())
    literal = _range(500, len(DATA) - 500, crc32c=google_crc32c.value(DATA[500:]))
    first = FreezeResponse()
    first.splice.segments.add().literal = DATA[:500]
    pieces = [FreezeResponse(), _spliced(), first, literal, _finished()]
    assert DATA == _receive(pieces, _asked(weights, delivery=DELIVERY_SPLICE))


def test_a_wrong_checksum_of_the_whole_is_an_error() -> None:
    """Bytes that are not the ones that were announced are not taken."""
    with pytest.raises(ModelFileError) as caught:
        _receive([_started(crc32c=1), _content(), _finished()], _asked())
    assert caught.value.reason == "CHECKSUM_MISMATCH"


@pytest.mark.parametrize("told", [b"", bytes(32), hashlib.sha256(b"").digest(), b"short"])
def test_a_wrong_sha256_is_an_error(told: bytes) -> None:
    """A server that has seen the bytes must tell their sha256 where it is wanted."""
    right = hashlib.sha256(DATA).digest()
    for sha256 in (told, right):
        with Receiver(StreamOutput(io.BytesIO()), _asked(sha256=True), sha256=True) as receiver:
            for message in [_started(), _content()]:
                deque(receiver.take(message), maxlen=0)
            last = receiver.take(FreezeResponse(finished={"sha256": sha256}))
            if sha256 == right:
                deque(last, maxlen=0)
                assert (right.hex(), True) == (receiver.sha256, receiver.finished)
                continue
            with pytest.raises(ModelFileError, match="sha256") as caught:
                deque(last, maxlen=0)
            assert (caught.value.reason, receiver.finished) == ("CHECKSUM_MISMATCH", False)


def test_a_wrong_checksum_of_a_range_names_the_file(weights: LocalFile) -> None:
    """A damaged local file is told by its name."""
    with pytest.raises(ModelFileError) as caught:
        _receive([_spliced(), _range(0, len(DATA), crc32c=1)], _asked(weights, delivery=DELIVERY_SPLICE))
    assert (caught.value.reason, caught.value.subject) == ("CHECKSUM_MISMATCH", "weights")


def test_a_large_range_is_told_by_the_megabyte(tmp_path: Path) -> None:
    """A message can name a gigabyte: how far it is, is told while it is copied, and small pieces are not."""
    data = bytes((5 << 20) + 3)
    path = tmp_path / "weights"
    path.write_bytes(data)
    weights = LocalFile("model/weights", path, len(data), is_weights=True)
    asked = _asked(weights, delivery=DELIVERY_SPLICE)
    with Receiver(StreamOutput(io.BytesIO()), asked) as receiver:
        started = _spliced(size_bytes=len(data), crc32c=google_crc32c.value(data))
        deque(receiver.take(started), maxlen=0)
        assert [] == list(receiver.take(_range(0, 1)))
        events = list(receiver.take(_range(1, len(data) - 1)))
    assert all(isinstance(event, Writing) and event.total_bytes == len(data) for event in events)
    assert [1, 2, 3, 4, 5, 5] == [event.done_bytes >> 20 for event in events if isinstance(event, Writing)]


@pytest.mark.parametrize(
    ("stage", "name"), [(1, "QUEUED"), (2, "RECEIVING"), (3, "PLANNING"), (99, "UNSPECIFIED")]
)
def test_work_is_told(stage: int, name: str) -> None:
    """What the server does is for people: a stage that a newer one has is no error."""
    message = FreezeResponse.FromString(bytes((0x0A, 4, 8, stage, 16, 7)))
    with Receiver(StreamOutput(io.BytesIO()), _asked(), upload_bytes=9) as receiver:
        assert [Working(name, 7, 9)] == list(receiver.take(message))


@pytest.mark.parametrize("left", [None, b"short"])
def test_a_local_file_that_changed_is_an_error(left: bytes | None, weights: LocalFile) -> None:
    """A file that is gone, or shorter than it was, is no reason to hang or to write less."""
    weights.path.unlink()
    if left is not None:
        weights.path.write_bytes(left)
    with pytest.raises(ModelFileError) as caught:
        _receive([_spliced(), _range(0, len(DATA))], _asked(weights, delivery=DELIVERY_SPLICE))
    assert caught.value.reason == "FILE_NOT_READABLE"


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_no_bytes_break_the_receiver(messages: list[bytes]) -> None:
    """Whatever parses as a message is taken or refused, never more."""
    with Receiver(StreamOutput(io.BytesIO()), _asked()) as receiver:
        for data in messages:
            try:
                response = FreezeResponse.FromString(data)
            except Exception:
                continue
            try:
                deque(receiver.take(response), maxlen=0)
            except TffreezeError:
                return


@pytest.mark.parametrize("as_saved_model", [False, True])
def test_an_output_that_fails_leaves_nothing(as_saved_model: bool, tmp_path: Path) -> None:
    """An exception in the middle of a result leaves the folder as it was."""
    target = tmp_path / "out"
    with contextlib.suppress(ZeroDivisionError), open_output(target, as_saved_model=as_saved_model) as output:
        output.begin("saved_model.pb", 10)
        output.write(b"12345")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fsync", [False, True])
def test_an_output_appears_whole(fsync: bool, tmp_path: Path) -> None:
    """Large and small writes end in one file, with the permissions of any new file."""
    target = tmp_path / "out"
    with open_output(target, as_saved_model=False, fsync=fsync) as output:
        output.begin("frozen.pb", 9 << 20)
        for _ in range(9):
            output.write(bytes(1 << 20))
        assert not target.exists()
    (tmp_path / "other").touch()
    assert (target.stat().st_size, target.stat().st_mode) == (9 << 20, (tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize(
    ("as_saved_model", "target"), [(False, "folder"), (True, "folder"), (True, "file"), (False, "no/f")]
)
def test_an_output_that_cannot_be_is_refused(as_saved_model: bool, target: str, tmp_path: Path) -> None:
    """A folder that is full, a file in the way, a folder that is not there: an error with the path."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "file").touch()
    path = tmp_path / target
    with pytest.raises(TffreezeError) as caught, open_output(path, as_saved_model=as_saved_model) as output:
        output.begin("saved_model.pb", 1)
    assert (caught.value.reason, str(path) in caught.value.subject) == ("OUTPUT_NOT_WRITABLE", True)


def test_a_range_of_one_byte_is_taken(weights: LocalFile) -> None:
    """The last byte of a file, for one."""
    pieces = [_spliced(), _range(0, len(DATA) - 1), _range(len(DATA) - 1, 1), _finished()]
    assert DATA == _receive(pieces, _asked(weights, delivery=DELIVERY_SPLICE))


@pytest.mark.parametrize(
    ("size_bytes", "is_possible"), [(-1, False), (0, True), (MAX, True), (MAX + 1, False)]
)
def test_a_result_is_as_long_as_a_message_can_be(size_bytes: int, is_possible: bool) -> None:
    """From nothing to the 2 GiB of protobuf; only then is room taken."""
    with contextlib.nullcontext() if is_possible else pytest.raises(TffreezeError, match="2 GiB"):
        _asked().check(_started(size_bytes).started)
