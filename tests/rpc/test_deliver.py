"""Messages of a result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tffreeze.v1 import freeze_service_pb2
from tffreeze_common.report import DroppedReport, Report
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.plan import Plan, Segment
from tffreeze_server.rpc.beneath import Identity
from tffreeze_server.rpc.deliver import Content, Splice, content_head, new_sha256
from tffreeze_server.rpc.page_cache import MAX_PIECES
from tffreeze_server.rpc.place import DeclaredFile
from tffreeze_server.rpc.result import Asset, Result
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles

REPORT = Report("graph_def", (), (), (), (), (), (), (), DroppedReport(0, 0, (), (), ()), (), 0, 0, 0, 0, "")


@settings(deadline=None)
@given(st.integers(0, 1000), st.binary(min_size=1, max_size=1000))
def test_content_is_written_as_protobuf_does(file_index: int, data: bytes) -> None:
    """A chunk behind its head is the message, byte by byte."""
    chunk = freeze_service_pb2.ContentChunk(file_index=file_index, data=data)
    expected = freeze_service_pb2.FreezeResponse(content=chunk).SerializeToString()
    assert expected == content_head(file_index, len(data)) + data


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of 3 MB in which every megabyte is different."""
    path = tmp_path / "weights"
    path.write_bytes(b"".join(bytes([number]) * 1_000_000 for number in range(3)))
    return path


class Computed(Assembled):
    """Ten bytes that must be put together."""

    length_bytes = 10

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:  # noqa: ARG002 - as `Assembled` has it
        """Give them."""
        yield bytes(10)


def result_of(weights: Path, *segments: Segment, assets: tuple[Asset, ...] = ()) -> Result:
    """A result of these segments."""
    size_bytes = sum(len(s) if isinstance(s, bytes) else s.length_bytes for s in segments)
    status = weights.stat()
    found = {
        path: Identity(status.st_dev, status.st_ino, status.st_size)
        for path in (weights, *(asset.path for asset in assets))
    }
    return Result("frozen.pb", Plan(segments, {"weights": weights}, size_bytes, 0), assets, REPORT, found)


def whole(weights: Path) -> FileRange:
    """All of the file."""
    return FileRange("weights", 0, 3_000_000, extend(0, weights.read_bytes()))


def test_content_is_cut_into_chunks(weights: Path) -> None:
    """Literals and ranges come in order, in chunks no longer than allowed; assets follow, empty ones without chunk."""
    empty = Asset("assets/empty", weights, 0)
    asset = Asset("assets/words", weights, 2_500_000)
    result = result_of(weights, b"head", whole(weights), b"tail", assets=(empty, asset))
    digest = new_sha256()
    with result.open_sources(weights.parent) as files:
        messages = [
            freeze_service_pb2.FreezeResponse.FromString(message).content
            for message in Content(result, files, 1 << 20, digest).messages()
        ]
    assert max(len(message.data) for message in messages) <= 1 << 20
    assert [0, 2] == sorted({message.file_index for message in messages})
    data = weights.read_bytes()
    assert b"head" + data + b"tail" == b"".join(m.data for m in messages if m.file_index == 0)
    assert data[:2_500_000] == b"".join(m.data for m in messages if m.file_index == 2)
    expected = new_sha256()
    expected.update(b"head" + data + b"tail")
    assert expected.digest() == digest.digest()


def test_splice_messages_stay_small(weights: Path) -> None:
    """However long the literals and however many the ranges: each message is below 2 MiB, literals below 1 MiB."""
    literal = bytes(range(256)) * 20_000
    ranges = [FileRange("weights", start, 1, None) for start in range(20_000)]
    result = result_of(weights, literal, *ranges)
    with result.open_sources(weights.parent) as files:
        splice = Splice(result, files, [DeclaredFile("weights", 3_000_000, True)], weights.parent)
        messages = list(splice.messages())
    assert max(map(len, messages)) < 2 << 20
    segments = [
        segment
        for message in messages
        for segment in freeze_service_pb2.FreezeResponse.FromString(message).splice.segments
    ]
    assert max(len(segment.literal) for segment in segments) <= 1 << 20
    assert literal == b"".join(segment.literal for segment in segments)
    assert list(range(20_000)) == [s.range.offset_bytes for s in segments if s.HasField("range")]


def test_few_ranges_is_cached(weights: Path) -> None:
    """Many take long to be put into messages, and what is put together from data must be read."""
    few: list[bytes | FileRange] = [FileRange("weights", start, 1, None) for start in range(MAX_PIECES)]
    declared = [DeclaredFile("weights", 3_000_000, True)]
    with SourceFiles({}) as files:
        for segments, expected in ((few, True), ([*few, b"more"], False), ([b"head", Computed()], False)):
            splice = Splice(result_of(weights, *segments), files, declared, weights.parent)
            assert expected == splice.is_next_cached()


def test_splice_checks_ranges_against_declared_sizes(weights: Path) -> None:
    """A range past the declared end of its file is refused before anything is sent."""
    result = result_of(weights, whole(weights))
    with SourceFiles({}) as files, pytest.raises(FreezeError) as raised:
        Splice(result, files, [DeclaredFile("weights", 2_999_999, True)], weights.parent)
    assert (Reason.MALFORMED_CHECKPOINT, "weights") == (raised.value.reason, raised.value.subject)
