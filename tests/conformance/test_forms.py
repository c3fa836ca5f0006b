"""The other forms of a result: text, a SavedModel, inputs and outputs named after the signature."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from google.protobuf import text_format

import tffreeze
from conformance.expected_errors import EXPECTED_ERRORS
from conformance.harness import VARIABLE_OPS, assert_same, config, freeze_file, run, tf, tf1
from conformance.real_models import Case, golden_cases
from tffreeze_server.emit.emit import write_file
from tffreeze_server.freeze import freeze

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("models_dir")]
CASES = [case for case in golden_cases() if case.name not in EXPECTED_ERRORS]
SIGNATURES = [case for case in CASES if case.options.signature_keys]


@pytest.mark.parametrize("as_text", [False, True], ids=["binary", "text"])
@pytest.mark.parametrize("case", SIGNATURES, ids=lambda case: case.name)
def test_frozen_saved_model(case: Case, as_text: bool, tmp_path: Path) -> None:
    """TensorFlow's loader takes a frozen SavedModel, with tables and assets and without variables."""
    folder = tmp_path / "frozen"
    tags = sorted(case.options.tags or ())
    report = tffreeze.freeze(
        case.folder,
        output=folder,
        as_saved_model=True,
        as_text=as_text,
        tags=tags,
        signature_keys=case.options.signature_keys,
    ).report
    assert not (folder / "variables").exists()
    feeds, expected = case.golden()
    names = {tensor.original: tensor.tensor for tensor in (*report.inputs, *report.outputs)}
    with tf.Graph().as_default(), tf1.Session(config=config()) as session:
        meta_graph = tf1.saved_model.load(session, tags or ["serve"], str(folder))
        assert set() == VARIABLE_OPS & {node.op for node in meta_graph.graph_def.node}
        assert set(case.options.signature_keys) == set(meta_graph.signature_def) - {"__saved_model_init_op"}
        given = {names[name]: value for name, value in feeds.items() if name in names}
        actual = session.run({name: names[name] for name in expected}, given)
    assert_same(expected, actual)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_text_says_what_binary_says(case: Case, tmp_path: Path) -> None:
    """A frozen graph in text is the same graph, read by TensorFlow's own messages."""
    binary = freeze_file(case.source, tmp_path / "frozen.pb", case.options).graph
    plan = freeze(case.source, dataclasses.replace(case.options, as_text=True)).plan
    write_file(plan, tmp_path / "frozen.pbtxt")
    text = text_format.Parse((tmp_path / "frozen.pbtxt").read_text(encoding="utf-8"), tf1.GraphDef())
    assert binary == text
    assert plan.size_bytes == (tmp_path / "frozen.pbtxt").stat().st_size


@pytest.mark.parametrize("case", SIGNATURES, ids=lambda case: case.name)
def test_renamed(case: Case, tmp_path: Path) -> None:
    """With inputs and outputs named after the signature's keys, devices cleared, the graph gives the same."""
    options = dataclasses.replace(case.options, rename_io=True, clear_devices=True)
    frozen = freeze_file(case.source, tmp_path / "frozen.pb", options)
    for report in frozen.report.outputs:
        assert report.key in report.tensor
    feeds, expected = case.golden()
    assert_same(expected, run(frozen, feeds, expected, cwd=case.folder))
