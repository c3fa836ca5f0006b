"""Models of an attack from outside: 600 to 699."""

from __future__ import annotations

from hostile.case import Case, Model, graph_only
from hostile.cases_budget import graph, node, type_of
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.tensor_pb2 import TensorProto, TensorShapeProto


def loops_that_a_loader_runs(n: int) -> Model:
    """An initializer that runs n loops, each of a function that runs n others, one in the other."""
    value = AttrValue(tensor=TensorProto(dtype=1, tensor_shape=TensorShapeProto(), float_val=[1]))
    shape = AttrValue(shape=TensorShapeProto())
    made = graph(
        [
            node("v", "VarHandleOp", dtype=type_of(), shape=shape, shared_name=AttrValue(s=b"v")),
            node("c", "Const", dtype=type_of(), value=value),
            node("a", "AssignVariableOp", "v", "c", dtype=type_of()),
            *(node(f"w{i}", "While", **_loop("f0")) for i in range(n)),
            node("init", "NoOp", "^a", *(f"^w{i}" for i in range(n))),
            node("y", "ReadVariableOp", "v", dtype=type_of()),
        ]
    )
    for i in range(n):
        function = made.library.function.add()
        function.signature.name = f"f{i}"
        if i + 1 < n:
            function.node_def.append(node("n", "While", **_loop(f"f{i + 1}")))
    return graph_only(made, "y", initializer_nodes=("init",))


def _loop(function: str) -> dict[str, AttrValue]:
    attr = AttrValue()
    attr.func.name = function
    return {"T": AttrValue(list=AttrValue.ListValue()), "cond": attr, "body": attr}


CASES = (Case(600, loops_that_a_loader_runs, None, size=2_500),)
