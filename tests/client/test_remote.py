"""A client and a real server give what the engine gives."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tffreeze
from rpc.harness import Served, served
from rpc.models import FIXTURES
from tffreeze.local_model import find_model
from tffreeze.retry import Stop

DIGITS = FIXTURES / "digits"
SAMPLES: dict[str, tuple[Path, dict[str, Any]]] = {
    "saved_model": (DIGITS, {}),
    "saved_model.pb": (DIGITS / "saved_model.pb", {}),
    "renamed": (DIGITS, {"rename_io": True}),
    "text": (DIGITS, {"as_text": True}),
    "meta_graph": (
        FIXTURES / "moving_average" / "model.meta",
        {"checkpoint": FIXTURES / "moving_average", "output_nodes": "y"},
    ),
    "v1": (
        FIXTURES / "graph_v1" / "graph.pbtxt",
        {"checkpoint": FIXTURES / "graph_v1" / "model", "output_nodes": "y"},
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the sample models as a model root."""
    with served(tmp_path_factory.mktemp("server"), model_roots={"samples": FIXTURES}) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[tffreeze.Client]:
    """A client of that server."""
    with tffreeze.Client(f"localhost:{server.port}", timeout_seconds=60) as made:
        yield made


@pytest.mark.parametrize("delivery", [None, "content", "splice"])
@pytest.mark.parametrize("sample", SAMPLES)
def test_a_server_gives_the_same_bytes(sample: str, delivery: Any, client: tffreeze.Client) -> None:
    """Whatever the model and the delivery, bytes and report are those of the engine in this process."""
    model, options = SAMPLES[sample]
    if (sample, delivery) == ("text", "splice"):
        with pytest.raises(tffreeze.RequestError, match="WEIGHTS_NEEDED"):
            client.freeze_bytes(model, delivery=delivery, **options)
        return
    assert tffreeze.freeze_bytes(model, **options) == client.freeze_bytes(model, delivery=delivery, **options)


def test_a_model_root_gives_the_same_bytes(client: tffreeze.Client) -> None:
    """A model that lies with the server needs no upload."""
    expected = tffreeze.freeze_bytes(DIGITS)
    assert expected == client.freeze_bytes("digits", model_root="samples")
    model, options = SAMPLES["v1"]
    remote = client.freeze_bytes(
        "graph_v1/graph.pbtxt", model_root="samples", checkpoint="graph_v1/model", output_nodes="y"
    )
    assert tffreeze.freeze_bytes(model, **options) == remote


def test_real_models_are_spliced(client: tffreeze.Client, models_dir: Path) -> None:
    """Every real SavedModel that can be frozen is spliced to the same bytes, or fails for the same reason."""
    manifest = json.loads((models_dir / "manifest.json").read_text())
    assert manifest
    models = sorted(path.parent for path in models_dir.rglob("saved_model.pb"))
    for model in models:
        assert _outcome(tffreeze.freeze_bytes, model) == _outcome(client.freeze_bytes, model), model


def _outcome(freeze: Any, model: Path) -> object:
    try:
        return freeze(model)
    except tffreeze.TffreezeError as error:
        return error.reason


def test_an_inspection_is_the_same(client: tffreeze.Client) -> None:
    """A server sees in an upload without weights what the engine sees on the disk."""
    for model, options in SAMPLES.values():
        assert tffreeze.inspect(model, **options) == client.inspect(model, **options)
    assert tffreeze.inspect(DIGITS) == client.inspect("digits", model_root="samples")


def test_weights_are_not_sent_when_spliced(server: Served, client: tffreeze.Client) -> None:
    """With SPLICE the server gets the graph and the index, and no byte of the weights."""
    before = server.recorder.received_bytes
    client.freeze_bytes(DIGITS, delivery="splice")
    files = find_model(DIGITS, {}).files
    assert [file.path.name for file in files if file.is_weights] == ["variables.data-00000-of-00001"]
    assert (
        sum(file.size_bytes for file in files if not file.is_weights)
        == server.recorder.received_bytes - before
    )


def test_a_file_appears_whole_with_its_report(client: tffreeze.Client, tmp_path: Path) -> None:
    """A path holds the result and nothing lies beside it; what was there is replaced."""
    output = tmp_path / "frozen.pb"
    output.write_bytes(b"before")
    result = client.freeze(DIGITS, output=output)
    assert tffreeze.freeze_bytes(DIGITS).data == output.read_bytes()
    assert (output, [output]) == (result.output, list(tmp_path.iterdir()))


def test_a_saved_model_comes_as_a_directory(client: tffreeze.Client, tmp_path: Path) -> None:
    """The directory is the one that the engine writes."""
    tffreeze.freeze(DIGITS, output=tmp_path / "ours", as_saved_model=True)
    client.freeze(DIGITS, output=tmp_path / "theirs", as_saved_model=True)
    client.freeze("digits", model_root="samples", output=tmp_path / "root", as_saved_model=True)
    trees = [_tree(tmp_path / name) for name in ("ours", "theirs", "root")]
    assert trees[0] == trees[1] == trees[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "root", "theirs"]


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"output_nodes": "nope"}, (tffreeze.NotFoundError, "OUTPUT_NOT_FOUND", "nope")),
        ({"tags": "gpu"}, (tffreeze.NotFoundError, "TAGS_NOT_FOUND", "gpu")),
        ({"checkpoint": "nope"}, (tffreeze.NotFoundError, "CHECKPOINT_NOT_FOUND", "nope")),
        ({"model_root": "nope"}, (tffreeze.NotFoundError, "MODEL_ROOT_NOT_FOUND", "nope")),
        ({"as_saved_model": True, "output": io.BytesIO()}, (tffreeze.RequestError, "INVALID_OPTION", "")),
        ({"delivery": "pigeon"}, (tffreeze.RequestError, "INVALID_OPTION", "")),
    ],
)
def test_errors_come_through(
    options: dict[str, Any], expected: tuple[Any, ...], client: tffreeze.Client, tmp_path: Path
) -> None:
    """A server's error is the exception that the engine's would be, and leaves no file."""
    with pytest.raises(tffreeze.TffreezeError) as caught:
        client.freeze(DIGITS, **{"output": tmp_path / "f", **options})
    assert expected == (type(caught.value), caught.value.reason, caught.value.subject)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_weight_is_found_when_it_is_spliced(client: tffreeze.Client, tmp_path: Path) -> None:
    """The server never saw the weights: the client finds the flipped bit, and leaves no file."""
    model = _copied(DIGITS, tmp_path / "model")
    weights = next((model / "variables").glob("*.data-*"))
    weights.write_bytes(bytes(byte ^ (index % 64 == 0) for index, byte in enumerate(weights.read_bytes())))
    with pytest.raises(tffreeze.ModelFileError) as caught:
        client.freeze(model, output=tmp_path / "f", delivery="splice")
    assert (caught.value.reason, caught.value.subject) == ("CHECKSUM_MISMATCH", weights.name)
    assert [model] == list(tmp_path.iterdir())


def _copied(source: Path, target: Path) -> Path:
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return target


def test_progress_is_told(client: tffreeze.Client) -> None:
    """What is sent and what is written is told, and both end with the whole."""
    sent: list[tuple[int, int]] = []
    written: list[tuple[int, int]] = []
    result = client.freeze_bytes(
        DIGITS,
        delivery="content",
        on_upload=lambda done, total: sent.append((done, total)),
        on_progress=lambda done, total: written.append((done, total)),
    )
    total_bytes = sum(file.size_bytes for file in find_model(DIGITS, {}).files)
    assert (total_bytes, total_bytes) == sent[-1]
    assert (len(result.data), len(result.data)) == written[-1]


def test_capabilities_are_told(client: tffreeze.Client) -> None:
    """A client can ask for limits before it sends."""
    capabilities = client.capabilities()
    assert (("content", "splice"), ("samples",)) == (capabilities.deliveries, capabilities.model_roots)
    assert json.loads(json.dumps(capabilities.to_json()))["limits"]["max_file_name_bytes"] > 0


def test_nobody_there_is_a_clear_retryable_error() -> None:
    """An address without a server ends soon, with an error that says so."""
    with tffreeze.Client("localhost:1", max_attempts=2) as client:
        with pytest.raises(tffreeze.UnavailableError, match="localhost:1") as caught:
            client.freeze_bytes(DIGITS)
        assert caught.value.retryable


def test_calls_go_round_addresses(server: Served) -> None:
    """A server that is not there is passed over: the next one takes the call."""
    with tffreeze.Client("localhost:1", f"localhost:{server.port}") as client:
        assert tffreeze.freeze_bytes(DIGITS) == client.freeze_bytes(DIGITS)


def test_a_timeout_ends_a_call(client: tffreeze.Client) -> None:
    """The caller's time holds."""
    with pytest.raises(tffreeze.TimeLimitError) as caught:
        client.freeze_bytes(DIGITS, timeout_seconds=0.000001)
    assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_another_thread_can_stop_a_call(client: tffreeze.Client, tmp_path: Path) -> None:
    """A stopped call ends with CANCELLED and leaves no file."""
    stop = Stop()
    with pytest.raises(tffreeze.TimeLimitError) as caught:
        client.freeze(
            DIGITS, output=tmp_path / "f", stop=stop, on_progress=lambda *_: stop.stop(), delivery="content"
        )
    assert caught.value.reason == "CANCELLED"
    assert list(tmp_path.iterdir()) == []


def test_many_threads_share_a_client(client: tffreeze.Client) -> None:
    """A client can be used from several threads at a time."""
    expected = tffreeze.freeze_bytes(DIGITS)
    results: list[tffreeze.FrozenBytes] = []
    threads = [threading.Thread(target=lambda: results.append(client.freeze_bytes(DIGITS))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [expected] * 8 == results


def test_a_token_is_not_sent_in_plaintext_to_another_machine() -> None:
    """A client refuses to give a token away, unless it is told to."""
    with pytest.raises(tffreeze.RequestError, match="plaintext"):
        tffreeze.Client("freeze.example:50051", token="secret")
    tffreeze.Client("freeze.example:50051", token="secret", insecure=True).close()
    tffreeze.Client("127.0.0.1:1", "unix:///run/x", "dns:///localhost:1", token="secret").close()


def test_the_async_client_gives_the_same(server: Served, tmp_path: Path) -> None:
    """All calls of the client, from asyncio, at the same time."""

    async def run() -> tuple[Any, ...]:
        async with tffreeze.AsyncClient(f"localhost:{server.port}") as client:
            return tuple(
                await asyncio.gather(
                    client.freeze_bytes(DIGITS),
                    client.freeze(DIGITS, output=tmp_path / "f"),
                    client.inspect(DIGITS),
                    client.capabilities(),
                )
            )

    in_memory, written, inspection, capabilities = asyncio.run(run())
    assert tffreeze.freeze_bytes(DIGITS) == in_memory
    assert in_memory.data == (tmp_path / "f").read_bytes()
    assert in_memory.report == written.report
    assert tffreeze.inspect(DIGITS) == inspection
    assert capabilities.model_roots == ("samples",)


def test_a_cancelled_task_cancels_its_call(server: Served) -> None:
    """When the task is cancelled the call ends, and its thread with it."""
    released = threading.Event()

    async def run() -> None:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def hold(*_: int) -> None:
            loop.call_soon_threadsafe(begun.set)
            released.wait(60)

        async with tffreeze.AsyncClient(f"localhost:{server.port}") as client:
            call = asyncio.ensure_future(client.freeze_bytes(DIGITS, on_upload=hold))
            await begun.wait()
            call.cancel()
            released.set()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(run())
    server.wait_until_idle()
