"""Whatever a name in a model or a message of a server holds, the terminal only shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import grpc
import pytest

from cli.program import DIGITS, Run, tffreeze
from peers.lying_server import Ends, LyingServer, lying_server
from tffreeze.printable import printable, printable_json
from tffreeze.v1.freeze_service_pb2 import FreezeResponse, InspectResponse
from tffreeze_server.tfproto.graph_pb2 import GraphDef

EVIL = "\x1b]0;title\x07\x1b[2J\x9b31m\rreason: OK\nerror: no\u2028\u202eesrever\u200b\0\ud7ffü…"
SEEN = "\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\rreason: OK\\nerror: no\\u2028\\u202eesrever\\u200b\\x00\\ud7ffü…"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u200b]")


@pytest.fixture(scope="module")
def server() -> Iterator[LyingServer]:
    """A server that says what it is told to say."""
    with lying_server() as running:
        yield running


def _started(name: str) -> list[FreezeResponse]:
    """A result with this text in every place of its report."""
    first = FreezeResponse()
    report, crc32c = first.started.report, google_crc32c.value(b"graph")
    report.kind, report.size_bytes, report.crc32c = name, 5, f"{crc32c:08x}"
    report.tags.append(name)
    report.kept_variables.append(name)
    for tensors in (report.inputs, report.outputs):
        tensors.add(signature_key=name, key=name, original=name, tensor=name, dtype=name)
    report.variables.add(name=name, node=name, key=name, source=name, dtype=name, shards=[name])
    report.initializers.add(op=name, table=name, asset=name)
    report.warnings.add(code=name, message=name, subject=name)
    first.started.files.add(name="frozen.pb", size_bytes=5, crc32c=crc32c)
    first.started.total_size_bytes, first.started.delivery = 5, 1
    return [first, FreezeResponse(content={"data": b"graph"}), FreezeResponse(finished={})]


def _inspection(name: str) -> InspectResponse:
    """An inspection with this text in every place."""
    response = InspectResponse()
    found = response.inspection
    found.kind = name
    found.all_tags.add(tags=[name])
    found.all_tags.add(tags=[name, name])
    found.tags.append(name)
    signature = found.signatures.add(key=name, method_name=name)
    for tensors in (signature.inputs, signature.outputs, found.inputs, found.candidate_outputs):
        tensors.add(key=name, tensor=name, dtype=name, op=name)
    found.savers.add(restore_op=name, filename_tensor=name, origin=name)
    found.init_ops.append(name)
    found.assets.add(tensor=name, file=name)
    for status in (1, 2, 3, 4):
        found.variables.add(
            name=name, op=name, dtype=name, status=status, key=name, source=name, message=name
        )
    found.extra_keys.append(name)
    found.obstacles.add(reason=name, message=name, subject=name)
    return response


def _frozen(server: LyingServer, tmp_path: Path, *flags: str, **environment: str) -> Run:
    address = f"127.0.0.1:{server.port}"
    output = str(tmp_path / "f")
    return tffreeze(
        "freeze", DIGITS, "--server", address, "--delivery", "content", "-o", output, *flags, **environment
    )


def test_what_is_unusual_is_escaped() -> None:
    """Letters of all alphabets stay; what moves, hides or breaks does not."""
    assert SEEN == printable(EVIL)
    assert "naïve 模型 😀 ~" == printable("naïve 模型 😀 ~")
    for text in (EVIL, "\U000e0041", "\udc80", "plain"):
        shown = printable_json(json.dumps(text, ensure_ascii=False))
        assert text == json.loads(shown)
        assert not CONTROL.search(shown)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_report_is_only_shown(encoding: str, server: LyingServer, tmp_path: Path) -> None:
    """Every field of it, on any terminal."""
    server.say(*_started(EVIL))
    run = _frozen(server, tmp_path, PYTHONIOENCODING=encoding)
    assert (0, "") == (run.code, run.err)
    text = run.out_bytes.decode(encoding)
    assert not CONTROL.search(text)
    assert "warning: \\x1b]0;title\\x07" in text
    assert not any(line.startswith(("reason:", "error:")) for line in text.splitlines())


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_an_inspection_is_only_shown(encoding: str, server: LyingServer) -> None:
    """Every field of it, with and without signatures."""
    for with_signatures in (True, False):
        response = _inspection(EVIL)
        if not with_signatures:
            response.inspection.ClearField("signatures")
        server.say(response.SerializeToString())
        run = tffreeze("inspect", DIGITS, "--server", f"127.0.0.1:{server.port}", PYTHONIOENCODING=encoding)
        assert (0, "") == (run.code, run.err)
        assert not CONTROL.search(run.out_bytes.decode(encoding))


def test_json_is_the_same_value_and_only_shown(server: LyingServer, tmp_path: Path) -> None:
    """`jq` gets what the server said, and a terminal no escape sequence."""
    server.say(_inspection(EVIL).SerializeToString())
    run = tffreeze(
        "inspect", DIGITS, "--server", f"127.0.0.1:{server.port}", "--json", PYTHONIOENCODING="ascii"
    )
    assert EVIL == json.loads(run.out_bytes)["kind"]
    assert not CONTROL.search(run.out_bytes.decode())
    server.say(*_started(EVIL))
    run = _frozen(server, tmp_path, "--report", "-", "-q", PYTHONIOENCODING="ascii")
    assert EVIL == json.loads(run.out_bytes)["kind"]
    assert not CONTROL.search(run.out_bytes.decode())


@pytest.mark.parametrize("debug", ["", "1"])
def test_an_error_is_only_shown(debug: str, server: LyingServer, tmp_path: Path) -> None:
    """One line of message, whatever line breaks the server sends; tracebacks, too."""
    server.say(Ends(grpc.StatusCode.INTERNAL, EVIL))
    run = _frozen(server, tmp_path, TFFREEZE_DEBUG=debug)
    assert run.code == 1
    assert not CONTROL.search(run.err)
    assert ["reason: INTERNAL"] == [line for line in run.err.splitlines() if line.startswith("reason:")]


def test_names_of_a_local_model_are_only_shown(tmp_path: Path) -> None:
    """A model is text of others as a server is."""
    graph = GraphDef()
    name = "a\x1b[2J"
    graph.node.add(name=name, op="Placeholder").attr["dtype"].type = 1
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    for arguments in (
        ("inspect", "graph.pb"),
        ("freeze", "graph.pb", "--output-nodes", name, "-o", "f"),
        ("freeze", "graph.pb", "--output-nodes", f"{name}x", "-o", "g"),
    ):
        run = tffreeze(*arguments, cwd=tmp_path, PYTHONIOENCODING="ascii")
        assert not CONTROL.search(run.out + run.err), arguments
