"""How the attributes of a node decide the number and the types of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.op_args import MAX_TENSORS, input_ranges, input_types, output_ranges, output_types
from tffreeze_server.graph.op_table import op_defs
from tffreeze_server.tfproto.graph_pb2 import NodeDef
from tffreeze_server.tfproto.op_def_pb2 import OpDef
from tffreeze_server.tfproto.tensor_pb2 import DataType

FLOAT, INT32, INT64 = DataType.DT_FLOAT, DataType.DT_INT32, DataType.DT_INT64
RESOURCE = DataType.DT_RESOURCE
EVERY_QUESTION = [input_ranges, output_ranges, input_types, output_types]

# One definition with each way to say how many and of which type.
MANY = text_format.Parse(
    """
    name: "Many"
    input_arg { name: "fixed" type: DT_INT32 }
    input_arg { name: "same" number_attr: "N" type_attr: "T" }
    input_arg { name: "mixed" type_list_attr: "Tin" }
    input_arg { name: "handles" number_attr: "N" type: DT_RESOURCE }
    output_arg { name: "state" type_attr: "T" is_ref: true }
    output_arg { name: "index" type_attr: "Tindex" }
    attr { name: "N" type: "int" }
    attr { name: "T" type: "type" }
    attr { name: "Tin" type: "list(type)" }
    attr { name: "Tindex" type: "type" default_value { type: DT_INT64 } }
    """,
    OpDef(),
)


def many(n: int = 2, tin: tuple[DataType, ...] = (RESOURCE, INT64, FLOAT)) -> NodeDef:
    """Make a node of that op."""
    node = NodeDef(name="many", op="Many")
    node.attr["N"].i = n
    node.attr["T"].type = FLOAT
    node.attr["Tin"].list.type.extend(tin)
    return node


def test_ranges_follow_the_attributes() -> None:
    """Arguments stand one after the other, each as long as its attribute says."""
    expected = (("fixed", 0, 1), ("same", 1, 2), ("mixed", 3, 3), ("handles", 6, 2))
    assert expected == input_ranges(MANY, many().attr)
    expected_outputs = (("state", 0, 1), ("index", 1, 1))
    assert expected_outputs == output_ranges(MANY, many().attr)


def test_types_follow_the_attributes() -> None:
    """Types come from the definition, from a type or from a list of types; one for each tensor."""
    expected = (INT32, FLOAT, FLOAT, RESOURCE, INT64, FLOAT, RESOURCE, RESOURCE)
    assert expected == input_types(MANY, many().attr)


def test_references_are_types_plus_100_and_defaults_are_used() -> None:
    """A ref argument is a reference to its type; an attribute that is left out has its default."""
    expected = (DataType.DT_FLOAT_REF, INT64)
    assert expected == output_types(MANY, many().attr)


def test_arguments_may_be_empty() -> None:
    """No tensors and an empty list of types are an empty range, which keeps its place."""
    expected = (("fixed", 0, 1), ("same", 1, 0), ("mixed", 1, 0), ("handles", 1, 0))
    assert expected == input_ranges(MANY, many(0, ()).attr)
    expected_types = (INT32,)
    assert expected_types == input_types(MANY, many(0, ()).attr)


def test_asking_changes_nothing() -> None:
    """A map of a protobuf makes the entries it is asked for: ours is asked in a way that does not."""
    node = many()
    for ask in EVERY_QUESTION:
        ask(MANY, node.attr)
    assert many() == node


@pytest.mark.parametrize("ask", [input_ranges, input_types])
@pytest.mark.parametrize("n", [MAX_TENSORS, 2**40, 2**63 - 1])
def test_a_hostile_number_is_refused_before_anything_is_made(ask: Callable[..., Any], n: int) -> None:
    """A number no graph could fill is an error at once."""
    with pytest.raises(FreezeError, match="more than 1000000 inputs or outputs") as error:
        ask(MANY, many(n).attr, node="many")
    expected = (Reason.MALFORMED_MODEL, "many")
    assert expected == (error.value.reason, error.value.subject)


def broken(name: str, kind: str | None = None, value: Any = None) -> NodeDef:
    """Make a node whose attribute is missing, or is something else."""
    node = many()
    del node.attr[name]
    if kind:
        setattr(node.attr[name], kind, value)
    return node


@pytest.mark.parametrize(
    ("node", "message"),
    [
        pytest.param(broken("N"), "its attribute 'N' is missing", id="no number"),
        pytest.param(broken("T"), "its attribute 'T' is missing", id="no type"),
        pytest.param(broken("Tin"), "its attribute 'Tin' is missing", id="no list"),
        pytest.param(broken("N", "s", b"2"), "'N' is of another kind", id="a string for a number"),
        pytest.param(broken("T", "i", 1), "'T' is of another kind", id="a number for a type"),
        pytest.param(broken("Tin", "type", 1), "'Tin' is of another kind", id="a type for a list"),
        pytest.param(broken("T", "placeholder", "U"), "'T' is of another kind", id="not instantiated"),
        pytest.param(broken("N", "i", -1), "negative number -1 in its attribute 'N'", id="negative"),
        pytest.param(broken("T", "type", 0), "has 0 for the type of its argument 'same'", id="DT_INVALID"),
        pytest.param(broken("T", "type", 200), "has 200 for the type of its argument", id="no type number"),
        pytest.param(broken("T", "type", -1), "has -1 for the type of its argument", id="negative type"),
    ],
)
def test_attributes_that_say_nothing_sensible_are_refused(node: NodeDef, message: str) -> None:
    """The error names the node, its op and the attribute or argument."""
    with pytest.raises(FreezeError, match=message) as error:
        input_types(MANY, node.attr, node="many")
    assert Reason.MALFORMED_MODEL is error.value.reason
    assert error.value.message.startswith("The node 'many' of op 'Many' ")


def test_a_list_that_is_nothing_at_all_is_empty() -> None:
    """Graphs of before GraphDef version 5 write an empty list as an attribute without a value."""
    node = many()
    node.attr["Tin"].Clear()
    without = many()
    without.attr["Tin"].list.Clear()
    assert output_types(MANY, without.attr) == output_types(MANY, node.attr)
    assert input_types(MANY, without.attr) == input_types(MANY, node.attr)


def test_a_reference_to_a_reference_is_refused() -> None:
    """A ref argument of a type that is a reference already has no type."""
    with pytest.raises(FreezeError, match="has 101 for the type of its argument 'state'"):
        output_types(MANY, broken("T", "type", 101).attr)


def test_a_definition_without_a_type_is_refused() -> None:
    """A definition from a model may be broken too."""
    with pytest.raises(FreezeError, match="A node of op 'Bad' has 0 for the type of its argument 'x'"):
        input_types(OpDef(name="Bad", input_arg=[OpDef.ArgDef(name="x")]), {})


def graphs(tf: Any, models: Path) -> Iterator[Any]:
    """Import each MetaGraph that TensorFlow still can."""
    for path in sorted(models.glob("**/*.meta")):
        meta_graph = tf.compat.v1.MetaGraphDef.FromString(path.read_bytes())
        with tf.Graph().as_default() as graph:
            try:
                tf.import_graph_def(meta_graph.graph_def, name="")
            except (ValueError, tf.errors.OpError):
                continue
            yield graph


@pytest.mark.tensorflow
def test_real_nodes_have_the_types_tensorflow_says(models_dir: Path) -> None:
    """For every node of real graphs, outputs and inputs have the types of TensorFlow's own tensors."""
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed to compare with")
    seen = 0
    for graph in graphs(tf, models_dir):
        for op in graph.get_operations():
            definition = op_defs().find(op.type)
            assert definition is not None, op.type
            attrs = NodeDef.FromString(op.node_def.SerializeToString()).attr
            gives = tuple(tensor.dtype.as_datatype_enum for tensor in op.outputs)
            assert gives == output_types(definition, attrs), op.name
            # A ref output may feed a plain input.
            takes = tuple(dtype.base_dtype.as_datatype_enum for dtype in op._input_types)
            assert takes == tuple(dtype % 100 for dtype in input_types(definition, attrs)), op.name
            seen += 1
    assert seen > 1000
