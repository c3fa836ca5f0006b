"""A client takes nothing from a server that does not keep to the contract."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import tffreeze
from peers.lies import LIES, Lie, Responses
from peers.lying_server import Ends, LyingServer, failure, lying_server, record
from rpc.harness import served
from rpc.models import FIXTURES
from tffreeze import retry
from tffreeze.connection import Connection
from tffreeze.health import check_health
from tffreeze.v1 import freeze_service_pb2
from tffreeze.v1.freeze_service_pb2 import FreezeResponse, GetCapabilitiesResponse, InspectResponse

DIGITS = FIXTURES / "digits"
DELIVERIES = {"content": freeze_service_pb2.DELIVERY_CONTENT, "splice": freeze_service_pb2.DELIVERY_SPLICE}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Responses]:
    """What a real server says, by delivery and whether a SavedModel is asked for."""
    with served(tmp_path_factory.mktemp("server")) as server:
        return {
            (name, as_saved_model): record(server.port, DIGITS, delivery, as_saved_model=as_saved_model)
            for name, delivery in DELIVERIES.items()
            for as_saved_model in (False, True)
        }


@pytest.fixture(scope="module")
def server() -> Iterator[LyingServer]:
    """A server that says what it is told to say."""
    with lying_server() as running:
        yield running


@pytest.fixture
def client(server: LyingServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tffreeze.Client]:
    """A client of that server that waits for nothing."""
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.0)
    with tffreeze.Client(f"127.0.0.1:{server.port}", timeout_seconds=60, max_attempts=3) as made:
        yield made


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("as_saved_model", [False, True])
def test_the_truth_is_taken(  # noqa: PLR0917 - pytest gives them by name
    delivery: Any,
    as_saved_model: bool,
    honest: dict[tuple[str, bool], Responses],
    server: LyingServer,
    client: tffreeze.Client,
    tmp_path: Path,
) -> None:
    """What the lies are made of is a result, so that each lie is refused for what was changed."""
    server.say(*honest[delivery, as_saved_model])
    client.freeze(DIGITS, output=tmp_path / "f", delivery=delivery, as_saved_model=as_saved_model)
    assert [tmp_path / "f"] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused(
    name: str,
    honest: dict[tuple[str, bool], Responses],
    server: LyingServer,
    client: tffreeze.Client,
    tmp_path: Path,
) -> None:
    """It ends in one attempt, with the reason, and leaves no file; a stream gets no second result."""
    lie: Lie = LIES[name]
    wants_saved_model = lie.arguments.get("as_saved_model", False) and "no SavedModel" not in name
    server.say(*lie.tell(honest[lie.delivery, wants_saved_model]))
    with pytest.raises(tffreeze.TffreezeError, match=lie.match) as caught:
        client.freeze(DIGITS, output=tmp_path / "f", delivery=lie.delivery, **lie.arguments)  # type: ignore[arg-type]  # one of two words
    assert (lie.reason, False, 1) == (caught.value.reason, caught.value.retryable, server.calls)
    assert [] == list(tmp_path.iterdir())


ALL_LIES = """
import re, sys
from pathlib import Path
import tffreeze
from peers.lies import LIES
refused = 0
with tffreeze.Client("127.0.0.1:" + sys.argv[1]) as client:
    for lie in LIES.values():
        try:
            client.freeze(sys.argv[2], output=Path(sys.argv[3], "f"), delivery=lie.delivery, **lie.arguments)
        except tffreeze.TffreezeError:
            refused += 1
# Of this program alone: `ru_maxrss` begins with that of the process it was forked from.
print(refused, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def test_lies_take_no_memory(
    honest: dict[tuple[str, bool], Responses], server: LyingServer, tmp_path: Path
) -> None:
    """A client that hears all of them takes no more than a few messages of 64 MiB would."""
    lies = list(LIES.values())
    server.say_each(lambda call: lies[call - 1].tell(honest[lies[call - 1].delivery, False]))
    done = subprocess.run(
        [sys.executable, "-c", ALL_LIES, str(server.port), str(DIGITS), str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    refused, peak_megabytes = map(int, done.stdout.split())
    assert len(LIES) == refused == server.calls
    assert peak_megabytes < 300
    assert [] == list(tmp_path.iterdir())


def test_nothing_is_appended_to_a_stream(
    honest: dict[tuple[str, bool], Responses], server: LyingServer, client: tffreeze.Client
) -> None:
    """A server that fails in the middle, in a way that asks for another attempt or for CONTENT, gets none."""
    begun = honest["splice", False][
        : next(i for i, r in enumerate(honest["splice", False]) if r.HasField("splice"))
    ]
    for end in (
        failure(grpc.StatusCode.FAILED_PRECONDITION, "WEIGHTS_NEEDED"),
        failure(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_after_seconds=0),
        Ends(grpc.StatusCode.UNAVAILABLE),
    ):
        server.say(*begun, FreezeResponse(splice={"segments": [{"literal": b"begun"}]}), end)
        stream = io.BytesIO()
        with pytest.raises(tffreeze.TffreezeError) as caught:
            client.freeze(DIGITS, output=stream)
        assert (1, b"begun", False) == (server.calls, stream.getvalue(), caught.value.retryable)


def test_memory_is_begun_anew(
    honest: dict[tuple[str, bool], Responses], server: LyingServer, client: tffreeze.Client
) -> None:
    """Bytes in memory are no stream: what an attempt has left is forgotten by the next."""
    whole = honest["content", False]
    at = next(index for index, one in enumerate(whole) if one.HasField("content"))
    piece = FreezeResponse(content={"data": whole[at].content.data[:9]})
    lost = [*whole[:at], piece, Ends(grpc.StatusCode.UNAVAILABLE)]
    server.say_each(lambda number: lost if number == 1 else whole)
    assert tffreeze.freeze_bytes(DIGITS) == client.freeze_bytes(DIGITS, delivery="content")
    assert server.calls == 2


@pytest.mark.parametrize(
    ("end", "calls", "reason", "kind"),
    [
        (Ends(grpc.StatusCode.UNAVAILABLE), 3, "UNAVAILABLE", tffreeze.UnavailableError),
        (failure(grpc.StatusCode.UNAVAILABLE, "DRAINING"), 1, "DRAINING", tffreeze.UnavailableError),
        (
            failure(grpc.StatusCode.UNAVAILABLE, "X", domain="proxy"),
            1,
            "UNAVAILABLE",
            tffreeze.UnavailableError,
        ),
        (
            failure(grpc.StatusCode.INTERNAL, "INTERNAL", retry_after_seconds=0),
            3,
            "INTERNAL",
            tffreeze.ServiceError,
        ),
        (
            failure(grpc.StatusCode.INTERNAL, None, retry_after_seconds=0),
            3,
            "INTERNAL",
            tffreeze.ServiceError,
        ),
        (
            failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS"),
            1,
            "TOO_MANY_JOBS",
            tffreeze.BusyError,
        ),
        (failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL"), 1, "DISK_FULL", tffreeze.ServiceError),
        (
            failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS", retry_after_seconds=3600),
            1,
            "TOO_MANY_JOBS",
            tffreeze.BusyError,
        ),
        (
            failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS", retry_after_seconds=59.9),
            1,
            "TOO_MANY_JOBS",
            tffreeze.BusyError,
        ),
        (
            failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS", retry_after_seconds=-5),
            3,
            "TOO_MANY_JOBS",
            tffreeze.BusyError,
        ),
        (failure(grpc.StatusCode.NOT_FOUND, "MADE_UP_LATER"), 1, "MADE_UP_LATER", tffreeze.NotFoundError),
        (failure(grpc.StatusCode.DATA_LOSS, "MADE_UP_LATER"), 1, "MADE_UP_LATER", tffreeze.ModelFileError),
        (failure(grpc.StatusCode.INTERNAL, "MADE_UP_LATER"), 1, "MADE_UP_LATER", tffreeze.ServiceError),
        (failure(grpc.StatusCode.NOT_FOUND, "no reason\n"), 1, "INTERNAL", tffreeze.ServiceError),
        (failure(grpc.StatusCode.INTERNAL, "OUTPUT_NOT_WRITABLE"), 1, "INTERNAL", tffreeze.ServiceError),
        (failure(grpc.StatusCode.INTERNAL, "UNAVAILABLE"), 1, "INTERNAL", tffreeze.ServiceError),
    ],
)
def test_the_server_decides_what_is_tried_again(  # noqa: PLR0917 - pytest gives them by name
    end: Ends, calls: int, reason: str, kind: type, server: LyingServer, client: tffreeze.Client
) -> None:
    """A RetryInfo does, or UNAVAILABLE without any ErrorInfo; never the reason, and never sooner than it says."""
    server.say(end)
    with pytest.raises(tffreeze.TffreezeError) as caught:
        client.freeze_bytes(DIGITS, delivery="content", timeout_seconds=30)
    assert (calls, reason, kind) == (server.calls, caught.value.reason, type(caught.value))


INSPECTIONS: dict[str, tuple[list[Any], str]] = {
    "nothing": ([], "exactly one response"),
    "two": (
        [InspectResponse(inspection={"kind": "graph_def"}).SerializeToString()] * 2,
        "exactly one response",
    ),
    "no message": ([b"\xff"], "not a InspectResponse"),
    "no inspection": ([b""], "without the model's kind"),
    "no kind": ([InspectResponse(inspection={"nodes": 7}).SerializeToString()], "without the model's kind"),
}


@pytest.mark.parametrize("name", INSPECTIONS)
def test_an_inspection_that_is_none_is_refused(
    name: str, server: LyingServer, client: tffreeze.Client
) -> None:
    """One answer, which says what the model is."""
    said, match = INSPECTIONS[name]
    server.say(*said)
    with pytest.raises(tffreeze.ServiceError, match=match) as caught:
        client.inspect(DIGITS)
    assert ("INTERNAL", 1) == (caught.value.reason, server.calls)


HONEST_LIMITS = {"max_upload_files": 1, "max_file_name_bytes": 1, "max_chunk_bytes": 1}
CAPABILITIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no deliveries": {"limits": HONEST_LIMITS},
    "no files": {"limits": {**HONEST_LIMITS, "max_upload_files": 0}, "deliveries": [1]},
    "no names": {"limits": {**HONEST_LIMITS, "max_file_name_bytes": 0}, "deliveries": [1]},
    "no chunks": {"limits": {**HONEST_LIMITS, "max_chunk_bytes": 0}, "deliveries": [1]},
    "large chunks": {"limits": {**HONEST_LIMITS, "max_chunk_bytes": (2 << 20) + 1}, "deliveries": [1]},
    "large content": {
        "limits": {**HONEST_LIMITS, "max_content_chunk_bytes": (1 << 20) + 1},
        "deliveries": [1],
    },
    "large results": {"limits": {**HONEST_LIMITS, "max_result_bytes": 1 << 31}, "deliveries": [1]},
    "negative": {"limits": {**HONEST_LIMITS, "max_upload_bytes": -1}, "deliveries": [1]},
}


@pytest.mark.parametrize("name", CAPABILITIES)
def test_limits_that_cannot_be_are_refused(name: str, server: LyingServer, client: tffreeze.Client) -> None:
    """What a caller may go by is what the contract allows."""
    server.say(GetCapabilitiesResponse(**CAPABILITIES[name]).SerializeToString())
    with pytest.raises(tffreeze.ServiceError, match="contract") as caught:
        client.capabilities()
    assert caught.value.reason == "INTERNAL"
    server.say(GetCapabilitiesResponse(limits=HONEST_LIMITS, deliveries=[1, 99]).SerializeToString())
    assert client.capabilities().deliveries == ("content",)


def test_compressed_answers_are_refused(tmp_path: Path) -> None:
    """A kilobyte that becomes a gigabyte is not unpacked."""
    with (
        lying_server(grpc.Compression.Gzip) as server,
        tffreeze.Client(f"127.0.0.1:{server.port}", max_attempts=1) as client,
    ):
        server.say(bytes(200 << 20))
        with pytest.raises(tffreeze.TffreezeError):
            client.freeze(DIGITS, output=tmp_path / "f")
    assert [] == list(tmp_path.iterdir())


def _with_asset(honest: Responses, told_bytes: int, *pieces: FreezeResponse) -> Responses:
    """A SavedModel of the server's with `assets/empty` and `assets/words.txt`."""
    said = [FreezeResponse.FromString(one.SerializeToString()) for one in honest]
    started = next(one for one in said if one.HasField("started")).started
    started.files.add(name="assets/empty", size_bytes=0)
    started.files.add(name="assets/words.txt", size_bytes=told_bytes)
    started.total_size_bytes += told_bytes
    return [*said[:-1], *pieces, said[-1]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with two assets."""
    shutil.copytree(DIGITS, tmp_path / "model")
    (tmp_path / "model" / "assets").mkdir()
    (tmp_path / "model" / "assets" / "empty").touch()
    (tmp_path / "model" / "assets" / "words.txt").write_bytes(b"words")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("told_bytes", "data", "reason"),
    [
        (5, b"words", ""),
        (5, b"w0rds", "CHECKSUM_MISMATCH"),
        (4, b"word", "INTERNAL"),
        (1 << 62, b"words", "INTERNAL"),
        (5, b"word", "INTERNAL"),
        (5, b"words!", "INTERNAL"),
    ],
)
def test_assets_of_an_upload_are_the_callers(  # noqa: PLR0917 - pytest gives them by name
    told_bytes: int,
    data: bytes,
    reason: str,
    honest: dict[tuple[str, bool], Responses],
    server: LyingServer,
    client: tffreeze.Client,
    model: Path,
) -> None:
    """They need no crc32c of the server's: the caller has them, byte for byte."""
    piece = FreezeResponse(content={"file_index": 2, "data": data})
    server.say(*_with_asset(honest["content", True], told_bytes, piece))
    output = model.parent / "out"
    arguments: dict[str, Any] = {"output": output, "as_saved_model": True, "delivery": "content"}
    if not reason:
        client.freeze(model, **arguments)
        assert b"words" == (output / "assets" / "words.txt").read_bytes()
        return
    with pytest.raises(tffreeze.TffreezeError) as caught:
        client.freeze(model, **arguments)
    assert reason == caught.value.reason
    assert [model] == list(model.parent.iterdir())


def test_assets_of_a_model_root_take_no_room_before_they_come(
    honest: dict[tuple[str, bool], Responses], server: LyingServer, client: tffreeze.Client, tmp_path: Path
) -> None:
    """Their size is whatever the server says: exabytes that do not come are no full disk."""
    piece = FreezeResponse(content={"file_index": 2, "data": b"words"})
    server.say(*_with_asset(honest["content", True], 1 << 60, piece))
    with pytest.raises(tffreeze.ServiceError, match="bytes less") as caught:
        client.freeze("digits", model_root="samples", output=tmp_path / "f", as_saved_model=True)
    assert ("INTERNAL", 1, []) == (caught.value.reason, server.calls, list(tmp_path.iterdir()))


@pytest.mark.parametrize("said", [(), (b"",), (b"\x08\x02",), (b"\x08\x01", b"\x08\x01"), (b"\xff",)])
def test_a_server_that_is_not_healthy_is_told(said: tuple[bytes, ...], server: LyingServer) -> None:
    """SERVING, once: all else is no health."""
    server.say(*said)
    connection = Connection([f"127.0.0.1:{server.port}"], None, None, insecure=False)
    with contextlib.closing(connection), pytest.raises(tffreeze.ServiceError):
        check_health(connection, 30)
    server.say(b"\x08\x01")
    connection = Connection([f"127.0.0.1:{server.port}"], None, None, insecure=False)
    with contextlib.closing(connection):
        assert f"127.0.0.1:{server.port}" == check_health(connection, 30)
