"""What TensorFlow's own test asks of freeze_graph, asked of the drop-in.

The cases are those of `tensorflow/python/tools/freeze_graph_test.py`, which is not in the installed package: the same
graphs, arguments and expectations, down to the number of nodes that are left.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tffreeze_server.compat.freeze_graph import freeze_graph, freeze_graph_with_def_protos

tf = pytest.importorskip("tensorflow")
v1 = tf.compat.v1

pytestmark = pytest.mark.tensorflow

V1, V2 = v1.train.SaverDef.V1, v1.train.SaverDef.V2


def _run(path: Path, feeds: dict[str, Any], nodes: int) -> Any:
    """What `output_node` gives, after a look at the nodes: so many, and no variables."""
    graph_def = v1.GraphDef.FromString(path.read_bytes())
    assert nodes == len(graph_def.node)
    assert not {"Variable", "VariableV2", "VarHandleOp"} & {node.op for node in graph_def.node}
    with tf.Graph().as_default(), v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        return session.run("output_node:0", feeds)


def _twice_a_variable(folder: Path, *, use_resource: bool, version: int) -> str:
    """Save a variable of 1.0 that is doubled; gives the prefix of its checkpoint. The graph is `graph.pbtxt`."""
    with tf.Graph().as_default() as graph, v1.Session() as session:
        variable = v1.Variable(1.0, name="variable_node", use_resource=use_resource)
        tf.multiply(variable, 2.0, name="output_node")
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(write_version=version)
        prefix = saver.save(session, str(folder / "saved"), global_step=0, latest_filename="state")
        v1.train.write_graph(graph, str(folder), "graph.pbtxt")
    return str(prefix)


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize("version", [V1, V2])
def test_a_graph_and_its_checkpoint(version: int, use_resource: bool, tmp_path: Path) -> None:
    """Four nodes are left: the constant, its read, the factor, the product."""
    prefix, output = (
        _twice_a_variable(tmp_path, use_resource=use_resource, version=version),
        tmp_path / "out.pb",
    )
    names = ("output_node", "save/restore_all", "save/Const:0")
    graph = str(tmp_path / "graph.pbtxt")
    freeze_graph(graph, "", False, prefix, *names, str(output), False, "", "", "", checkpoint_version=version)
    assert _run(output, {}, nodes=4) == 2.0


@pytest.mark.parametrize("use_resource", [False, True])
def test_a_meta_graph(use_resource: bool, tmp_path: Path) -> None:
    """Given beside an empty graph, by place."""
    prefix, output = _twice_a_variable(tmp_path, use_resource=use_resource, version=V2), tmp_path / "out.pb"
    names = ("output_node", "save/restore_all", "save/Const:0")
    freeze_graph("", "", True, prefix, *names, str(output), False, "", "", "", f"{prefix}.meta")
    assert _run(output, {}, nodes=4) == 2.0


@pytest.mark.parametrize("tags", [[], ["serve"]])
def test_a_saved_model(tags: list[str], tmp_path: Path) -> None:
    """In text, with no tags at all too; what is not given is False or None."""
    folder, output = tmp_path / "saved_model", tmp_path / "out.pb"
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, name="input_node")
        features = v1.io.parse_example(examples, {"feature": v1.io.FixedLenFeature([], tf.float32)})
        scores = tf.multiply(v1.Variable(1.0, name="variable_node"), features["feature"], name="output_node")
        classes = tf.transpose(tf.fill(tf.shape(features["feature"]), "class"))
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.classification_signature_def(examples, classes, scores)
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, tags, {"serving_default": signature})
        builder.save(as_text=True)
    options = (False, "", "", "", False, str(folder), ",".join(tags))
    freeze_graph(None, False, False, None, "output_node", None, None, str(output), *options)  # type: ignore[arg-type]  # as TensorFlow's test gives it
    example = tf.train.Example()
    example.features.feature["feature"].float_list.value.append(2.0)
    assert [2.0] == list(_run(output, {"input_node:0": [example.SerializeToString()]}, nodes=10))


def test_the_op_that_restores_a_partitioned_variable_is_no_output(tmp_path: Path) -> None:
    """A ValueError, and no file."""
    with tf.Graph().as_default() as graph, v1.Session() as session:
        with v1.variable_scope("part", partitioner=v1.fixed_size_partitioner(1)):
            weights = v1.get_variable("filter", [3, 3])
            images = tf.zeros((5, 128, 128, 3))
            products = tf.nn.conv2d(images, tf.reshape(weights, [1, 1, 3, 3]), [1, 1, 1, 1], "SAME")
            tf.nn.relu6(tf.add(products, images, name="test/add"), name="test/relu6")
        session.run(v1.global_variables_initializer())
        prefix = v1.train.Saver().save(
            session, str(tmp_path / "saved"), global_step=0, latest_filename="state"
        )
    assert any(re.search(r"/part_\d+/", operation.name) for operation in graph.get_operations())
    with pytest.raises(ValueError, match="save/restore_all"):
        freeze_graph_with_def_protos(
            input_graph_def=graph.as_graph_def(),
            input_saver_def=None,
            input_checkpoint=prefix,
            output_node_names="save/restore_all",
            restore_op_name="save/restore_all",
            filename_tensor_name="save/Const:0",
            output_graph=str(tmp_path / "out.pb"),
            clear_devices=False,
            initializer_nodes="",
        )
    assert not (tmp_path / "out.pb").exists()
