"""`inspect`: what a model is and what would stand in the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tffreeze_common.inspection import Inspection, TensorInspection
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.inspection.inspect import inspect
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel
from tffreeze_server.tfproto.tensor_pb2 import DT_FLOAT, DT_INT32, TensorShapeProto

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
DIGITS = FIXTURES / "digits"
MOVING_AVERAGE = FIXTURES / "moving_average"
SHARD = "variables.data-00000-of-00001"


def statuses(inspection: Inspection) -> dict[str, str]:
    """The status of each variable."""
    return {variable.name: variable.status for variable in inspection.variables}


def variable_graph(folder: Path, name: str, shape: tuple[int, ...], dtype: int = DT_FLOAT) -> Path:
    """A graph of one variable and its read."""
    graph = GraphDef()
    variable = graph.node.add(name=name, op="VariableV2")
    variable.attr["dtype"].type = dtype  # type: ignore[assignment]  # enums are ints
    variable.attr["shape"].shape.CopyFrom(
        TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    )
    graph.node.add(name="read", op="Identity", input=[name]).attr["T"].type = dtype  # type: ignore[assignment]
    path = folder / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    return path


def test_a_saved_model_is_told() -> None:
    """Kind, tags, signature with its tensors and ops, saver, sizes."""
    found = inspect(ModelSource(DIGITS), FreezeOptions())
    assert ("saved_model", ("serve",), (("serve",),)) == (found.kind, found.tags, found.all_tags)
    (signature,) = found.signatures
    assert ("serving_default", "tensorflow/serving/predict") == (signature.key, signature.method_name)
    image = TensorInspection("image", "serving_default_image:0", "float32", (-1, 9, 9, 1), "Placeholder")
    assert (image,) == signature.inputs
    (probabilities,) = signature.outputs
    assert ("probabilities", "StatefulPartitionedCall:0", "StatefulPartitionedCall") == (
        probabilities.key,
        probabilities.tensor,
        probabilities.op,
    )
    assert () == found.obstacles
    assert () == found.candidate_outputs
    assert ["serving_default_image:0"] == [tensor.tensor for tensor in found.inputs]
    assert found.savers[0].restore_op
    assert found.nodes > 0
    assert found.functions > 0


def test_variables_are_found_as_a_freeze_finds_them() -> None:
    """Key, source and size of each variable are those of the report of a freeze."""
    inspected = {v.name: v for v in inspect(ModelSource(DIGITS), FreezeOptions()).variables}
    frozen = freeze(ModelSource(DIGITS), FreezeOptions()).report.variables
    assert frozen
    assert [(v.key, v.source, v.size_bytes, v.dtype) for v in frozen] == [
        (v.key, v.source, v.size_bytes, v.dtype) for v in (inspected[f.name] for f in frozen)
    ]
    assert sorted(inspected) == list(inspected)


def test_no_weight_is_read(tmp_path: Path) -> None:
    """Where every weight is damaged the same is told: to read one would be to see it."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS, model)
    expected = inspect(ModelSource(model), FreezeOptions())
    plan = freeze(ModelSource(model), FreezeOptions()).plan
    weights = [segment for segment in plan.segments if isinstance(segment, FileRange)]
    assert weights
    with (model / "variables" / SHARD).open("rb+") as shard:
        for weight in weights:
            shard.seek(weight.offset_bytes)
            shard.write(b"\xa5" * weight.length_bytes)
    assert expected == inspect(ModelSource(model), FreezeOptions())


def test_keys_that_no_variable_needs_are_extra() -> None:
    """A saver that takes averages leaves the plain values unused."""
    source = ModelSource(MOVING_AVERAGE / "model.meta", MOVING_AVERAGE / "model")
    found = inspect(source, FreezeOptions())
    assert ("b", "w") == found.extra_keys
    assert {"w": "w/ExponentialMovingAverage", "b": "b/ExponentialMovingAverage"} == {
        v.name: v.key for v in found.variables if v.name in {"w", "b"}
    }


def test_a_saver_is_told_and_its_filename_is_no_input() -> None:
    """Restore op and filename tensor with where they were found; inputs are what a user feeds."""
    found = inspect(ModelSource(MOVING_AVERAGE / "model.meta"), FreezeOptions())
    assert [("save_1/restore_all", "save_1/Const:0")] == [
        (s.restore_op, s.filename_tensor) for s in found.savers
    ]
    assert ["x:0", "truth:0"] == [tensor.tensor for tensor in found.inputs]
    assert "y:0" == found.candidate_outputs[0].tensor


def test_without_a_checkpoint_variables_say_so(tmp_path: Path) -> None:
    """NO_CHECKPOINT with what to do; sizes from the graph; no obstacle where nothing was asked for."""
    found = inspect(ModelSource(variable_graph(tmp_path, "v", (2, 3))), FreezeOptions())
    (variable,) = found.variables
    assert ("NO_CHECKPOINT", "", 24, (2, 3)) == (
        variable.status,
        variable.key,
        variable.size_bytes,
        variable.shape,
    )
    assert "--checkpoint" in variable.message
    assert () == found.obstacles
    assert () == found.needs


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "status"),
    [
        ("w", (2, 1), DT_FLOAT, "FOUND"),
        ("w", (-1, 1), DT_FLOAT, "FOUND"),
        ("absent", (2, 1), DT_FLOAT, "MISSING"),
        ("w", (3, 1), DT_FLOAT, "MISMATCH"),
        ("w", (2, 1), DT_INT32, "MISMATCH"),
    ],
)
def test_variables_are_held_against_the_checkpoint(
    tmp_path: Path, name: str, shape: tuple[int, ...], dtype: int, status: str
) -> None:
    """Found, missing, or there with another shape or dtype, with a message that says what."""
    source = ModelSource(variable_graph(tmp_path, name, shape, dtype), MOVING_AVERAGE / "model")
    found = inspect(source, FreezeOptions())
    assert {name: status} == statuses(found)
    assert (status == "FOUND") == (found.variables[0].message == "")
    assert (status != "FOUND") == ("w" in found.extra_keys)


def test_a_missing_variable_of_a_wanted_output_is_an_obstacle(tmp_path: Path) -> None:
    """With outputs named, the error of that freeze."""
    source = ModelSource(variable_graph(tmp_path, "absent", (2, 1)), MOVING_AVERAGE / "model")
    (obstacle,) = inspect(source, FreezeOptions(output_nodes=("read",))).obstacles
    assert ("VARIABLE_NOT_IN_CHECKPOINT", "absent") == (obstacle.reason, obstacle.subject)


def test_a_saved_model_without_its_checkpoint_has_an_obstacle(tmp_path: Path) -> None:
    """The folder `variables` was not copied: the obstacle names the signature."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS, model, ignore=shutil.ignore_patterns("variables"))
    found = inspect(ModelSource(model), FreezeOptions())
    assert {"NO_CHECKPOINT"} == set(statuses(found).values())
    (obstacle,) = found.obstacles
    assert "CHECKPOINT_NOT_FOUND" == obstacle.reason
    assert obstacle.message.startswith("For 'serving_default': ")


def test_a_damaged_index_of_the_models_own_is_an_obstacle(tmp_path: Path) -> None:
    """All else of the model is told."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS, model)
    (model / "variables" / "variables.index").write_bytes(b"not an index" * 100)
    found = inspect(ModelSource(model), FreezeOptions())
    assert {"MALFORMED_CHECKPOINT"} == {obstacle.reason for obstacle in found.obstacles}
    assert ["serving_default"] == [signature.key for signature in found.signatures]


def test_a_checkpoint_that_the_caller_names_must_be_there(tmp_path: Path) -> None:
    """A path that leads nowhere is the caller's mistake, not the model's."""
    with pytest.raises(FreezeError) as caught:
        inspect(ModelSource(DIGITS, tmp_path / "absent"), FreezeOptions())
    assert Reason.CHECKPOINT_NOT_FOUND is caught.value.reason


def test_a_write_that_a_signature_needs_is_an_obstacle(models_dir: Path) -> None:
    """A metric that counts cannot be frozen: the obstacle names the signature and the write."""
    source = ModelSource(models_dir / "cloudml_babyweight_evaluate")
    (obstacle,) = inspect(source, FreezeOptions(tags=frozenset(("eval",)))).obstacles
    assert "REACHABLE_WRITE" == obstacle.reason
    assert obstacle.message.startswith("For 'eval': ")
    assert "mean/AssignAdd" in obstacle.message


def test_the_same_obstacle_of_several_signatures_is_told_once(models_dir: Path) -> None:
    """One obstacle that names the signatures it is of."""
    source = ModelSource(models_dir / "tf_fuzz_negative_shape")
    (obstacle,) = inspect(source, FreezeOptions()).obstacles
    assert obstacle.message.startswith("For 'classify_x_to_y', 'regress_x_to_y', 'serving_default': ")


def test_a_model_without_variables_needs_no_checkpoint(models_dir: Path) -> None:
    """No variables folder and no variables: nothing stands in the way."""
    found = inspect(ModelSource(models_dir / "mlnet_model_matmul"), FreezeOptions())
    assert ((), ()) == (found.variables, found.obstacles)


def test_assets_are_told(models_dir: Path) -> None:
    """Each with the tensor that its path is fed to."""
    found = inspect(ModelSource(models_dir / "tf_half_plus_two"), FreezeOptions())
    assert [("foo.txt", ":0")] == [(asset.file, asset.tensor[-2:]) for asset in found.assets]


def test_what_a_signature_needs_is_told() -> None:
    """Variables, sizes and what is found are those of a freeze of that signature; slots are not needed."""
    found = inspect(ModelSource(DIGITS), FreezeOptions())
    frozen = freeze(ModelSource(DIGITS), FreezeOptions()).report.variables
    (need,) = found.needs
    assert ("serving_default", len(frozen)) == (need.signature_key, need.found)
    assert tuple(sorted(v.name for v in frozen)) == need.variables
    assert sum(v.size_bytes for v in frozen) == need.size_bytes
    assert len(found.variables) > len(need.variables)


def test_what_outputs_by_name_need_is_told() -> None:
    """Under an empty key; the message of what is missing elsewhere does not speak of outputs that need it."""
    source = ModelSource(MOVING_AVERAGE / "model.meta", MOVING_AVERAGE / "model")
    (need,) = inspect(source, FreezeOptions(output_nodes=("y",))).needs
    assert ("", ("b", "w"), 2, 12) == (need.signature_key, need.variables, need.found, need.size_bytes)


def test_what_no_signature_needs_is_no_alarm(tmp_path: Path) -> None:
    """A variable without a value that no signature needs is told as such, and nothing stands in the way."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS, model)
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    node = saved.meta_graphs[0].graph_def.node.add(name="alone", op="VarHandleOp")
    node.attr["dtype"].type = DT_FLOAT
    node.attr["shape"].shape.SetInParent()
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    found = inspect(ModelSource(model), FreezeOptions())
    (alone,) = (variable for variable in found.variables if variable.name == "alone")
    assert ("MISSING", "No output that was looked at needs the variable 'alone'.") == (
        alone.status,
        alone.message,
    )
    assert () == found.obstacles
    assert "alone" not in found.needs[0].variables


def test_a_signature_that_lacks_a_variable_says_how_many_are_found(tmp_path: Path) -> None:
    """One of the needed variables has another shape: it is told as missing from what is found."""
    model = tmp_path / "digits"
    shutil.copytree(DIGITS, model)
    saved = SavedModel.FromString((model / "saved_model.pb").read_bytes())
    needed = inspect(ModelSource(DIGITS), FreezeOptions()).needs[0].variables[0]
    for node in saved.meta_graphs[0].graph_def.node:
        if node.op == "VarHandleOp" and node.attr["shared_name"].s == needed.encode():
            node.attr["shape"].shape.dim.add(size=2)
    (model / "saved_model.pb").write_bytes(saved.SerializeToString())
    found = inspect(ModelSource(model), FreezeOptions())
    (need,) = found.needs
    assert len(need.variables) - 1 == need.found
    assert ["VARIABLE_MISMATCH"] == [obstacle.reason for obstacle in found.obstacles]
