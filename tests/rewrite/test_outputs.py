"""Outputs asked for by names that are none, and nodes that a loader should run and that are not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rewrite.freezing import FLOAT, X, freeze_text
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.inspection.inspect import inspect
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
DIGITS = ModelSource(FIXTURES / "digits")
MOVING_AVERAGE = ModelSource(
    FIXTURES / "moving_average" / "model.meta", FIXTURES / "moving_average" / "model"
)
GRAPH_V1 = ModelSource(FIXTURES / "graph_v1" / "graph.pbtxt", FIXTURES / "graph_v1" / "model")


def error_of(source: ModelSource, *outputs: str, **options: object) -> FreezeError:
    """The error that a freeze ends in."""
    with pytest.raises(FreezeError) as caught:
        freeze(source, FreezeOptions(output_nodes=outputs, **options))  # type: ignore[arg-type]  # a test knows its options
    return caught.value


def test_an_output_key_is_answered() -> None:
    """The key of a signature's output is recognised: which tensor it is, and what to do."""
    error = error_of(DIGITS, "probabilities")
    assert (Reason.OUTPUT_NOT_FOUND, "probabilities") == (error.reason, error.subject)
    assert (
        "'probabilities' is an output key of 'serving_default' (StatefulPartitionedCall:0), not a node. "
        "Leave --output-nodes out: this signature is the one that is taken."
    ) == error.message


def test_a_signature_key_is_answered(tmp_path: Path) -> None:
    """So is the signature itself, and one that is not taken by itself."""
    assert (
        "'serving_default' is a signature, not a node. Leave" in error_of(DIGITS, "serving_default").message
    )
    model = tmp_path / "digits"
    shutil.copytree(DIGITS.model, model)
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    signatures["other"].CopyFrom(signatures["serving_default"])
    signatures["other"].outputs["scores"].CopyFrom(signatures["other"].outputs["probabilities"])
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    error = error_of(ModelSource(model), "scores")
    assert "'scores' is an output key of 'other' (StatefulPartitionedCall:0), not a node." in error.message
    assert "Give --signature other instead of --output-nodes." in error.message
    assert "output key of 'serving_default'" in error_of(ModelSource(model), "probabilities").message


@pytest.mark.parametrize(
    ("source", "output"),
    [
        (DIGITS, "StatefulPartitionedCall_1"),
        (DIGITS, "StatefulPartitionedCall_2"),
        (MOVING_AVERAGE, "save_1/restore_all"),
        (MOVING_AVERAGE, "save_1/control_dependency"),
    ],
)
def test_a_savers_node_is_no_output(source: ModelSource, output: str) -> None:
    """The calls that save and restore, the restore op, and what waits for it: an error that says what to take."""
    error = error_of(source, output)
    assert (Reason.OUTPUT_NOT_FOUND, output) == (error.reason, error.subject)
    assert "belongs to the model's saver" in error.message
    step = "leave --output-nodes out" if source is DIGITS else "`tffreeze inspect"
    assert step in error.message


def test_a_savers_nodes_are_no_candidates(tmp_path: Path) -> None:
    """Without signatures the model's result is the likeliest output, and none of the saver's calls is one."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS.model, model)
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    for key in [key for key in saved.meta_graphs[0].signature_def if not key.startswith("__")]:
        del saved.meta_graphs[0].signature_def[key]
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    candidates = [t.tensor for t in inspect(ModelSource(model), FreezeOptions()).candidate_outputs]
    assert ["StatefulPartitionedCall:0"] == candidates
    assert freeze(
        ModelSource(model), FreezeOptions(output_nodes=("StatefulPartitionedCall",))
    ).report.variables


def test_an_initializer_node_that_is_not_there() -> None:
    """It is no output: an option that names what is not in the graph."""
    error = error_of(GRAPH_V1, "y", initializer_nodes=("unit",))
    assert (Reason.INVALID_OPTION, "unit") == (error.reason, error.subject)
    assert "which is to run after the restore" in error.message


def test_a_loaders_op_that_is_not_there(tmp_path: Path) -> None:
    """A model that names an init op which it has not contradicts itself."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS.model, model)
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    (info,) = saved.meta_graphs[0].signature_def["__saved_model_init_op"].outputs.values()
    info.name = "absent"
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    error = error_of(ModelSource(model))
    assert (Reason.MALFORMED_MODEL, "absent") == (error.reason, error.subject)


def test_a_saved_model_without_its_variables_says_so(tmp_path: Path) -> None:
    """The error names the variable, and says what to copy."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS.model, model, ignore=shutil.ignore_patterns("variables"))
    error = error_of(ModelSource(model))
    assert Reason.CHECKPOINT_NOT_FOUND is error.reason
    assert "Copy its folder `variables` too, or give another checkpoint with --checkpoint." in error.message


def test_many_reads_that_are_waited_for(tmp_path: Path) -> None:
    """What waited for reads of a constant waits for what these waited for, however much that is."""
    read = 'op: "Identity" attr { key: "T" value { type: DT_FLOAT } }'
    variable = 'node { name: "v" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } } }'
    nodes = [X, variable]
    for k in range(20):
        before = f'input: "^r{k - 1}"' if k else ""
        nodes.append(f'node {{ name: "a{k}" op: "Neg" input: "x" {FLOAT} }}')
        nodes.append(f'node {{ name: "r{k}" input: "v" input: "^a{k}" {before} {read} }}')
    nodes.append(f'node {{ name: "y" op: "Neg" input: "x" input: "^r19" {FLOAT} }}')
    frozen = freeze_text("\n".join(nodes), tmp_path, "y")
    inputs = {node.name: [name.removeprefix("^") for name in node.input] for node in frozen.graph.node}
    reached, pending = set(), ["y"]
    while pending:
        reached.add(pending[-1])
        pending += inputs[pending.pop()]
    assert {f"a{k}" for k in range(20)} <= reached
    assert not {"v", "r0", "r19"} & reached
    assert max(map(len, inputs.values())) <= 10


def test_the_only_signature_is_taken(tmp_path: Path) -> None:
    """Whatever its key; of several without a default one somebody has to choose."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS.model, model)
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    signatures["classify"].CopyFrom(signatures["serving_default"])
    del signatures["serving_default"]
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    report = freeze(ModelSource(model), FreezeOptions()).report
    assert ["probabilities"] == [output.key for output in report.outputs]
    signatures["other"].CopyFrom(signatures["classify"])
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    error = error_of(ModelSource(model))
    assert Reason.OUTPUTS_NEEDED == error.reason
    assert "'classify', 'other'" in error.message
