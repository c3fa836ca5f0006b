"""Freezing without a server."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import tffreeze

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
DIGITS = FIXTURES / "digits"
GRAPH_V1 = FIXTURES / "graph_v1"


def test_freeze_writes_what_the_report_says(tmp_path: Path) -> None:
    """The file has the size of the report, and the report names inputs, outputs and variables."""
    output = tmp_path / "frozen.pb"
    result = tffreeze.freeze(DIGITS, output=output)
    assert output == result.output
    assert output.stat().st_size == result.report.size_bytes
    assert [tensor.signature_key for tensor in result.report.outputs] == ["serving_default"]
    assert result.report.variables


def test_freeze_bytes_are_the_bytes_of_the_file(tmp_path: Path) -> None:
    """Memory, file and stream hold the same."""
    output = tmp_path / "frozen.pb"
    report = tffreeze.freeze(str(DIGITS), output=str(output)).report
    in_memory = tffreeze.freeze_bytes(DIGITS)
    with (tmp_path / "stream").open("wb") as stream:
        streamed = tffreeze.freeze(DIGITS, output=stream)
    assert output.read_bytes() == in_memory.data == (tmp_path / "stream").read_bytes()
    assert report == in_memory.report == streamed.report
    assert streamed.output is None


def test_a_stream_needs_no_file_descriptor() -> None:
    """Any binary stream will do."""
    stream = io.BytesIO()
    tffreeze.freeze(DIGITS, output=stream)
    assert tffreeze.freeze_bytes(DIGITS).data == stream.getvalue()


def test_progress_ends_with_all_bytes(tmp_path: Path) -> None:
    """A caller's progress never goes back, and ends with the size of the result."""
    calls: list[tuple[int, int]] = []
    report = tffreeze.freeze(
        DIGITS, output=tmp_path / "f", on_progress=lambda done, total: calls.append((done, total))
    ).report
    assert calls == sorted(calls)
    assert (report.size_bytes, report.size_bytes) == calls[-1]


def test_a_saved_model_is_a_directory(tmp_path: Path) -> None:
    """A frozen SavedModel has its message and no variables."""
    model = tmp_path / "model"
    result = tffreeze.freeze(DIGITS, output=model, as_saved_model=True)
    assert [model / "saved_model.pb"] == list(model.rglob("*"))
    assert (model / "saved_model.pb").stat().st_size == result.report.size_bytes


def test_a_saved_model_is_not_bytes() -> None:
    """A directory is neither bytes nor a stream: said before any work."""
    with pytest.raises(tffreeze.RequestError, match="INVALID_OPTION"):
        tffreeze.freeze_bytes(DIGITS, as_saved_model=True)
    with pytest.raises(tffreeze.RequestError, match="INVALID_OPTION"):
        tffreeze.freeze(DIGITS, output=io.BytesIO(), as_saved_model=True)


def test_an_error_of_the_engine_is_the_clients(tmp_path: Path) -> None:
    """Reason and subject come through, the class can be branched on, and no file is there."""
    with pytest.raises(tffreeze.NotFoundError) as caught:
        tffreeze.freeze(DIGITS, output=tmp_path / "f", output_nodes=["nowhere"])
    assert (caught.value.reason, caught.value.subject) == ("OUTPUT_NOT_FOUND", "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_graph_with_its_checkpoint() -> None:
    """A text GraphDef and a V1 checkpoint are found by what they are."""
    outputs = tffreeze.inspect(GRAPH_V1 / "graph.pbtxt", checkpoint=GRAPH_V1).candidate_outputs
    node = outputs[0].tensor.removesuffix(":0")
    report = tffreeze.freeze_bytes(
        GRAPH_V1 / "graph.pbtxt", checkpoint=GRAPH_V1 / "model", output_nodes=node
    ).report
    assert (report.kind, report.outputs[0].tensor) == ("graph_def", f"{node}:0")


def test_inspect_tells_signatures_and_variables() -> None:
    """An inspection names what a freeze would take."""
    inspection = tffreeze.inspect(DIGITS)
    assert inspection.kind == "saved_model"
    assert "serving_default" in [signature.key for signature in inspection.signatures]
    assert {variable.status for variable in inspection.variables} == {"FOUND"}
    assert inspection.obstacles == ()
