"""Models that no parser expects: 300 to 399. What they ask for is small; what they say is wrong."""

from __future__ import annotations

from google.protobuf import text_format

from hostile.case import GRAPH_FILE, Case, Model, graph_only
from hostile.cases_budget import graph, neg, nested_attributes, node, type_of, x
from tffreeze_server.errors import Reason
from tffreeze_server.options import FreezeOptions
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto, TensorShapeProto

MALFORMED = Reason.MALFORMED_MODEL


def index_of_many_digits(n: int) -> Model:
    """An input's index of n digits: no number to Python from 4,301 on."""
    return graph_only(graph([x(), neg("y", f"x:{'9' * n}")]), "y")


def index_that_is_no_ascii(n: int) -> Model:
    """Many nodes that read an output `²`, which Python takes for a digit and for no number."""
    return graph_only(graph([x(), *(neg(f"n{i}", "x:²") for i in range(n))]), "n0")


def output_that_is_not_there(n: int) -> Model:
    """Many nodes that read the tenth output of a Placeholder."""
    return graph_only(graph([x(), *(neg(f"n{i}", "x:9") for i in range(n))]), "n0")


def text_nested(n: int) -> Model:
    """A text model with n functions, each an attribute of the one before."""
    inner = "i: 1"
    start, end = 'func { name: "f" attr { key: "a" value { ', " } } }"
    text = text_format.MessageToString(graph([x()]))
    text += f'node {{ name: "y" op: "NoOp" attr {{ key: "_n" value {{ {start * n}{inner}{end * n} }} }} }}'
    return Model({GRAPH_FILE: text.encode()}, FreezeOptions(output_nodes=("y",), as_text=True))


def huge_constant(n: int) -> Model:
    """A constant of 2**(10 n) elements that one value stands for."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1 << 10)] * n)
    value = AttrValue(tensor=TensorProto(dtype=1, tensor_shape=shape, float_val=[1]))
    return graph_only(graph([node("y", "Const", dtype=type_of(), value=value)]), "y")


def huge_initializer(n: int) -> Model:
    """A variable without a shape, set by the model's initializer to 2**(10 n) elements."""
    made: GraphDef = graph([])
    made.CopyFrom(GraphDef.FromString(huge_constant(n).files[GRAPH_FILE]))
    variable = AttrValue(shape=TensorShapeProto(unknown_rank=True))
    made.node.append(node("v", "VariableV2", dtype=type_of(), shape=variable))
    made.node.append(node("init", "Assign", "v", "y", T=type_of()))
    made.node.append(node("o", "Identity", "v", T=type_of()))
    return graph_only(made, "o", initializer_nodes=("init",))


def data_behind_control(n: int) -> Model:
    """A node that waits for n others before it reads data."""
    waits = [f"^n{i}" for i in range(n)]
    return graph_only(graph([x(), *(node(f"n{i}", "NoOp") for i in range(n)), neg("y", *waits, "x")]), "y")


def many_dimensions(n: int) -> Model:
    """A variable of n dimensions."""
    shape = AttrValue(shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)] * n))
    variable = node("v", "VariableV2", dtype=type_of(), shape=shape)
    return graph_only(graph([variable, node("y", "Identity", "v", T=type_of())]), "y")


CASES = (
    Case(300, index_of_many_digits, MALFORMED, size=5_000),
    Case(301, index_that_is_no_ascii, MALFORMED, size=100),
    Case(302, output_that_is_not_there, MALFORMED, size=100),
    Case(303, text_nested, MALFORMED, size=60, small=2_000, largest=5_000),
    Case(304, huge_constant, MALFORMED, size=6, small=100),
    Case(305, huge_initializer, MALFORMED, size=8, small=100),
    Case(306, data_behind_control, MALFORMED, size=100),
    Case(308, nested_attributes, MALFORMED, size=150, small=400),
    Case(307, many_dimensions, MALFORMED, size=100_000),
)
