"""The real models without golden outputs: what the right answer is for each.

They lack golden outputs because TensorFlow cannot run them here (GPU devices, V1 checkpoint in a SavedModel),
because they have no signature, or because they are broken on purpose.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, freeze_file, np, run, session_of, tf, tf1
from conformance.real_models import read_golden
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import freeze
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
X = [-3.0, 0.0, 8.5]


def examples(**features: list[float]) -> list[bytes]:
    """Serialised `tf.Example`s, one for each value."""
    rows = []
    for values in zip(*features.values(), strict=True):
        example = tf.train.Example()
        for key, value in zip(features, values, strict=True):
            example.features.feature[key].float_list.value.append(value)
        rows.append(example.SerializeToString())
    return rows


def column(values: list[float]) -> Any:
    """float32 of [n, 1]."""
    return np.array(values, np.float32).reshape(-1, 1)


HALF_PLUS_TWO: dict[str, tuple[dict[str, Any], str, float]] = {
    "serving_default": ({"x:0": column(X)}, "y:0", 2.0),
    "regress_x_to_y": ({"tf_example:0": examples(x=X)}, "y:0", 2.0),
    "regress_x_to_y2": ({"tf_example:0": examples(x=X)}, "y2:0", 3.0),
    "regress_x2_to_y3": ({"x2:0": column(X)}, "y3:0", 3.0),
    "classify_x_to_y": ({"tf_example:0": examples(x=X)}, "y:0", 2.0),
    "classify_x2_to_y3": ({"x2:0": column(X)}, "y3:0", 3.0),
}


@pytest.mark.parametrize("signature", HALF_PLUS_TWO)
def test_gpu_devices_are_cleared(signature: str, models_dir: Path, tmp_path: Path) -> None:
    """A graph placed on a GPU runs without one when devices are cleared: y = x/2 + 2, y2 and y3 with 3."""
    feeds, output, offset = HALF_PLUS_TWO[signature]
    options = FreezeOptions(signature_keys=(signature,), clear_devices=True)
    frozen = freeze_file(models_dir / "serving_half_plus_two_gpu", tmp_path / "frozen.pb", options)
    assert {""} == {node.device for node in frozen.graph.node}
    assert_same({output: column(X) / 2 + np.float32(offset)}, run(frozen, feeds))


def test_gpu_devices_are_kept(models_dir: Path, tmp_path: Path) -> None:
    """Unasked, a placement is kept, constants included."""
    frozen = freeze_file(models_dir / "serving_half_plus_two_gpu", tmp_path / "frozen.pb")
    devices = {node.name: node.device for node in frozen.graph.node}
    assert "/device:GPU:0" == devices["a"]


@pytest.mark.parametrize(
    "model", ["tf1hist_half_plus_two_sharded_V1ckpt", "tf1hist_half_plus_two_sharded_V2_legacy_init"]
)
def test_saved_models_of_2016(model: str, models_dir: Path, tmp_path: Path) -> None:
    """Op `Variable`, V1 and V2 checkpoints in shards, a signature without dtypes: y = x/2 + 2."""
    options = FreezeOptions(signature_keys=("tensorflow/serving/regress",))
    frozen = freeze_file(models_dir / model, tmp_path / "frozen.pb", options)
    expected = {"Identity:0": column(X) / 2 + np.float32(2)}
    assert_same(expected, run(frozen, {"tf_example:0": examples(x=X)}))


@pytest.mark.parametrize("signature", ["regress_x_to_y2", "regress_x2_to_y3"])
def test_mkl_model_of_fixed_batch(signature: str, models_dir: Path, tmp_path: Path) -> None:
    """Ref and resource variables in one graph; this signature broadcasts to 10 rows and takes no other number."""
    folder = models_dir / "serving_half_plus_two_mkl"
    values = [float(value) for value in range(10)]
    by_signature = {
        "regress_x_to_y2": ({"tf_example:0": examples(x=values)}, "y2:0"),
        "regress_x2_to_y3": ({"x2:0": column(values)}, "y3:0"),
    }
    feeds, output = by_signature[signature]
    frozen = freeze_file(folder, tmp_path / "frozen.pb", FreezeOptions(signature_keys=(signature,)))
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.saved_model.load(session, ["serve"], str(folder))
        expected = {output: session.run(output, feeds)}
    assert_same(expected, run(frozen, feeds))


def test_uninitialized_variable(models_dir: Path, tmp_path: Path) -> None:
    """A variable that the checkpoint lacks stops nothing while no output needs it: y = x + 1."""
    folder = models_dir / "tf_UninitializedVariable"
    frozen = freeze_file(folder, tmp_path / "frozen.pb")
    expected = {"StatefulPartitionedCall:0": np.float32(3.5)}
    assert_same(expected, run(frozen, {"serving_default_value:0": np.float32(2.5)}))
    options = FreezeOptions(output_nodes=("uninitialized_variable/Read/ReadVariableOp",))
    assert_error(Reason.VARIABLE_NOT_IN_CHECKPOINT, ModelSource(folder), options)


def test_asset_path_in_a_variable(models_dir: Path, tmp_path: Path) -> None:
    """A string variable that an initializer sets to an asset's path holds it relative to the model, and says so."""
    folder = models_dir / "tf_AssetModule"
    frozen = freeze_file(folder, tmp_path / "frozen.pb")
    content = (folder / "assets" / "test_asset.txt").read_bytes()
    assert_same({"PartitionedCall:0": np.array(content, object)}, run(frozen, {}, cwd=folder))
    assert "ASSET_PATH" in {warning.code for warning in frozen.report.warnings}


def test_outputs_by_name(models_dir: Path, tmp_path: Path) -> None:
    """A SavedModel without signatures is frozen by output names."""
    folder = models_dir / "tf_SimpleV1Model"
    assert_error(Reason.OUTPUTS_NEEDED, ModelSource(folder))
    options = FreezeOptions(output_nodes=("Variable/Read/ReadVariableOp:0",))
    frozen = freeze_file(folder, tmp_path / "frozen.pb", options)
    (value,) = run(frozen, {}).values()
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    assert_same({"": reader.get_tensor("Variable")}, {"": value})


@pytest.mark.parametrize("tag", ["train", "serve"])
def test_one_of_two_meta_graphs(tag: str, models_dir: Path, tmp_path: Path) -> None:
    """Tags choose the MetaGraph: out_node = sigmoid(x + 3·y)."""
    folder = models_dir / "ngraph_sample_graph"
    frozen = freeze_file(
        folder, tmp_path / "frozen.pb", FreezeOptions(tags=frozenset({tag}), output_nodes=("out_node",))
    )
    assert (tag,) == frozen.report.tags
    x, y = (np.full(shape_of(frozen, name), value, np.float32) for name, value in (("x", 0.5), ("y", -1.0)))
    factor = tf.make_ndarray(next(n for n in frozen.graph.node if n.name == "mul/x").attr["value"].tensor)
    expected = 1 / (1 + np.exp(-(x + factor * y)))
    assert_same({"out_node:0": expected}, run(frozen, {"x:0": x, "y:0": y}))


def shape_of(frozen: Any, placeholder: str) -> list[int]:
    """The shape of a placeholder, open sizes taken as 2."""
    node = next(node for node in frozen.graph.node if node.name == placeholder)
    return [dim.size if dim.size > 0 else 2 for dim in node.attr["shape"].shape.dim]


@pytest.mark.parametrize(
    "model", ["tf_CyclicModule", "tf_OptimizerSlotVariableModule", "detext_vocab_layer_hub"]
)
def test_no_signature_is_an_error(model: str, models_dir: Path) -> None:
    """A TF2 SavedModel without signatures has no output in its graph: the error says that outputs are needed."""
    assert_error(Reason.OUTPUTS_NEEDED, ModelSource(models_dir / model))


def test_missing_checkpoint(models_dir: Path) -> None:
    """A SavedModel without its variables directory says which file is not there."""
    assert_error(Reason.CHECKPOINT_NOT_FOUND, ModelSource(models_dir / "tf_bert1_graph_only"))


def test_chunked_saved_model(models_dir: Path, tmp_path: Path) -> None:
    """The text file beside a chunked SavedModel is as good; the chunked file alone is not supported, and says so."""
    folder = models_dir / "tf_chunked_model"
    frozen = freeze_file(folder, tmp_path / "frozen.pb")
    (value,) = run(frozen, {}).values()
    assert ((150, 150), np.float64) == (value.shape, value.dtype)
    alone = tmp_path / "chunked"
    alone.mkdir()
    shutil.copy(folder / "saved_model.cpb", alone)
    assert_error(Reason.UNSUPPORTED_MODEL, ModelSource(alone))


@pytest.mark.parametrize(
    ("model", "signature", "reason"),
    [
        # The names of what is restored are in an attribute whose name is misspelt.
        ("tf_fuzz_bad_node_attr", "serving_default", Reason.MALFORMED_MODEL),
        # A constant of shape [-1, 1] that the loader would set a variable to.
        ("tf_fuzz_negative_shape", "serving_default", Reason.MALFORMED_MODEL),
        ("tf_fuzz_negative_shape", "regress_x_to_y", Reason.MALFORMED_MODEL),
    ],
)
def test_malformed_models(model: str, signature: str, reason: Reason, models_dir: Path) -> None:
    """Models broken on purpose end in an error with a reason."""
    assert_error(reason, ModelSource(models_dir / model), FreezeOptions(signature_keys=(signature,)))


@pytest.mark.parametrize(
    "file",
    [
        "tf_old_string_tensors_ckpt/foo.index",
        "tf_old_string_tensors_ckpt/foo.data-00000-of-00001",
        "tf_table_legacy_saveable_ckpt/table_legacy_saveable_object.index",
    ],
)
def test_checkpoint_is_no_model(file: str, models_dir: Path) -> None:
    """A file of a checkpoint where the model should be is an error that says so."""
    options = FreezeOptions(output_nodes=("y",))
    assert_error(Reason.MODEL_NOT_FOUND, ModelSource(models_dir / file), options)


def test_strings_of_2016(models_dir: Path, tmp_path: Path) -> None:
    """Strings of a checkpoint written in 2016 are read, beside numbers."""
    prefix = models_dir / "tf_old_string_tensors_ckpt" / "foo"
    shapes = {"strs": (tf.string, (4,)), "scalar": (tf.string, (1,)), "floats": (tf.float32, (2, 3))}
    values = values_by_name(prefix, shapes, tmp_path)
    assert {"hello", ""} <= {value.decode() for value in values["strs"]}


def test_table_values_by_name(models_dir: Path, tmp_path: Path) -> None:
    """Tensors of a table in a checkpoint are tensors like any other."""
    prefix = models_dir / "tf_table_legacy_saveable_ckpt" / "table_legacy_saveable_object"
    name = "lookup_table/.ATTRIBUTES/table-values"
    values_by_name(prefix, {name: (tf.int64, (32, 1))}, tmp_path)


def values_by_name(prefix: Path, variables: Mapping[str, tuple[Any, tuple[int, ...]]], folder: Path) -> Any:
    """Freeze a graph of these variables from the checkpoint, see that all values are right, give them."""
    reader = tf.train.load_checkpoint(str(prefix))
    with tf.Graph().as_default() as graph:
        for name, (dtype, shape) in variables.items():
            tf.raw_ops.VariableV2(shape=shape, dtype=dtype, name=name.replace(".", "dot_"), shared_name=name)
            tf.identity(
                graph.get_tensor_by_name(f"{name.replace('.', 'dot_')}:0"),
                name=f"read_{dtype.name}_{len(name)}",
            )
        tf1.train.write_graph(graph.as_graph_def(), str(folder), "graph.pb", as_text=False)
    reads = {f"read_{dtype.name}_{len(name)}:0": name for name, (dtype, _) in variables.items()}
    source = ModelSource(folder / "graph.pb", checkpoint=prefix)
    frozen = freeze_file(source, folder / "frozen.pb", FreezeOptions(output_nodes=tuple(reads)))
    values = {reads[read]: value for read, value in run(frozen, {}).items()}
    assert_same({name: reader.get_tensor(name) for name in variables}, values)
    return values


DL4J = [
    "dynamic_b1_nIn5_nOut3_ts4_noPH_noClip_fB1_Tanh_noIS_float_withTM",
    "dynamic_b2_nIn2_nOut3_ts4_withPH_noClip_fB1_Tanh_noIS_double_noTM",
]


@pytest.mark.parametrize("name", DL4J)
@pytest.mark.parametrize("file", ["frozen_model.pb", "frozen_graph.pbtxt"])
def test_frozen_graph_passes_through(file: str, name: str, models_dir: Path, tmp_path: Path) -> None:
    """An LSTM in frames that is already frozen, binary or text, gives the outputs that stand beside it."""
    folder = models_dir / "dl4j_rnn_frozen_examples" / name
    frozen = freeze_file(
        folder / file, tmp_path / "frozen.pb", FreezeOptions(output_nodes=("concat", "concat_1"))
    )
    outputs = run(frozen, {})
    for output in ("concat", "concat_1"):
        expected = np.loadtxt(folder / f"{output}.prediction.csv").astype(outputs[f"{output}:0"].dtype)
        assert_same({"": expected}, {"": outputs[f"{output}:0"].ravel()})


@pytest.mark.parametrize(
    ("model", "output"),
    [
        ("cloudml_babyweight_graph_ckpt", "dnn/logits/BiasAdd"),
        ("tfx_trainer_graph_ckpt", "head/predictions/probabilities"),
    ],
)
@pytest.mark.parametrize("graph", ["graph.pbtxt", "model.ckpt-1000.meta"])
def test_training_graph(graph: str, model: str, output: str, models_dir: Path, tmp_path: Path) -> None:
    """A training graph that reads from an iterator, whose outputs are fed: partitioned variables, tables, metrics."""
    folder = models_dir / model
    source = ModelSource(folder / graph, checkpoint=folder / "model.ckpt-1000")
    frozen = freeze_file(source, tmp_path / "frozen.pb", FreezeOptions(output_nodes=(output,)))
    with tf.Graph().as_default(), tf1.Session() as session:
        saver = tf1.train.import_meta_graph(str(folder / "model.ckpt-1000.meta"))
        saver.restore(session, str(folder / "model.ckpt-1000"))
        session.run([op for op in tf1.get_collection("table_initializer") if is_constant(op)])
        feeds = {
            tensor.name: made_up(tensor)
            for tensor in session.graph.get_operation_by_name("IteratorGetNext").outputs
        }
        expected = {f"{output}:0": session.run(f"{output}:0", feeds)}
    assert_same(expected, run(frozen, feeds))


def is_constant(initializer: Any) -> bool:
    """Whether a table's initializer needs no file, which are not here."""
    return "TextFile" not in initializer.type


def made_up(tensor: Any) -> Any:
    """Values for an iterator's output; strings that are numbers suit most."""
    random = np.random.default_rng(len(tensor.name))
    values = random.integers(0, 3, tensor.shape.as_list())
    return (
        values.astype(str).astype(object)
        if tensor.dtype == tf.string
        else values.astype(tensor.dtype.as_numpy_dtype)
    )


def test_evaluation_with_denied_metrics(models_dir: Path, tmp_path: Path) -> None:
    """An evaluation signature is frozen but for the variables of its metrics, which count on as before."""
    folder = models_dir / "cloudml_babyweight_evaluate"
    metrics = tuple(
        f"{name}/{part}" for name in ("mean", "mean_1", "prediction/mean") for part in ("total", "count")
    )
    options = FreezeOptions(tags=frozenset({"eval"}), signature_keys=("eval",), deny=metrics)
    frozen = freeze_file(folder, tmp_path / "frozen.pb", options)
    assert set(metrics) == set(frozen.report.kept_variables)
    feeds, expected = read_golden(models_dir / "golden" / "cloudml_babyweight_evaluate__eval__eval.npz")
    nodes = {node.name for node in frozen.graph.node}
    with session_of(frozen, folder) as session:
        for name in metrics:
            session.run(tf.raw_ops.Assign(ref=session.graph.get_tensor_by_name(f"{name}:0"), value=0.0))
        fed = {name: value for name, value in feeds.items() if name.partition(":")[0] in nodes}
        # Values are read before or after the updates of the same run: compare what is not a race.
        wanted = [name for name in expected if not name.endswith("/value:0")]
        assert_same(
            {name: expected[name] for name in wanted},
            dict(zip(wanted, session.run(wanted, fed), strict=True)),
        )


def assert_error(reason: Reason, source: ModelSource, options: FreezeOptions | None = None) -> None:
    """Freezing ends in this reason, told in whole sentences."""
    with pytest.raises(FreezeError) as caught:
        freeze(source, options or FreezeOptions())
    assert reason == caught.value.reason
    assert caught.value.message.endswith((".", "?"))
