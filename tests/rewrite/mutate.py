"""Graphs changed at random places, as a damaged or hostile file may be."""

# ruff: noqa: ARG001  all changes have one signature

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef, NodeDef

OPS = (
    "Identity IdentityN Switch Merge Enter Exit NextIteration If While Case PartitionedCall ReadVariableOp "
    "ResourceGather ResourceGatherNd VariableShape VarIsInitializedOp VarHandleOp VariableV2 RefSwitch RefSelect "
    "RefMerge AssignVariableOp NoOp Const Placeholder Split MapDefun BatchFunction MapDataset HashTableV2 "
    "Nothing".split()
)
VALUES = (
    AttrValue(),
    AttrValue(i=-1),
    AttrValue(i=1 << 40),
    AttrValue(s=b"\xff"),
    AttrValue(b=True),
    AttrValue(type=0),
    AttrValue(type=20),
    AttrValue(type=99),
    AttrValue(placeholder="T"),
    AttrValue(list=AttrValue.ListValue()),
    AttrValue(list=AttrValue.ListValue(type=[1, 20, 3])),
    AttrValue(func={"name": "nothere"}),
    AttrValue(list=AttrValue.ListValue(func=[{"name": "nothere"}, {}])),
)


def mutated(graph: GraphDef, random: Random, times: int) -> GraphDef:
    """A copy, changed `times` times."""
    changed = GraphDef()
    changed.CopyFrom(graph)
    for _ in range(times):
        functions = changed.library.function
        if functions and random.random() < 0.3:
            random.choice(_OF_FUNCTIONS)(random.choice(functions), changed, random)
            continue
        bodies: list[Any] = [changed.node, *(f.node_def for f in functions)]
        nodes = random.choice([b for b in bodies if b] or [[NodeDef()]])
        random.choice(_OF_NODES)(random.choice(nodes), changed, random)
    return changed


def _drop_attr(node: NodeDef, graph: GraphDef, random: Random) -> None:
    if node.attr:
        node.attr.pop(random.choice(sorted(node.attr)))


def _change_attr(node: NodeDef, graph: GraphDef, random: Random) -> None:
    if node.attr:
        node.attr[random.choice(sorted(node.attr))].CopyFrom(random.choice(VALUES))


def _swap_attr(node: NodeDef, graph: GraphDef, random: Random) -> None:
    other = random.choice(graph.node)
    if other.attr:
        key = random.choice(sorted(other.attr))
        node.attr[key].CopyFrom(other.attr[key])


def _change_op(node: NodeDef, graph: GraphDef, random: Random) -> None:
    names = [f.signature.name for f in graph.library.function]
    node.op = random.choice((*OPS, *names, random.choice(graph.node).op))


def _change_function(node: NodeDef, graph: GraphDef, random: Random) -> None:
    names = [f.signature.name for f in graph.library.function]
    for key in node.attr:
        if node.attr[key].WhichOneof("value") == "func" and names:
            node.attr[key].func.name = random.choice(names)


def _shuffle_inputs(node: NodeDef, graph: GraphDef, random: Random) -> None:
    inputs = list(node.input)
    random.shuffle(inputs)
    node.input[:] = inputs


def _change_input(node: NodeDef, graph: GraphDef, random: Random) -> None:
    other = random.choice(graph.node).name
    forms = (
        other,
        f"{other}:1",
        f"{other}:99",
        f"^{other}",
        f"{other}:output:0",
        "",
        "^",
        ":",
        node.name,
        "a:b:c:d",
    )
    inputs = [*node.input, ""]
    inputs[random.randrange(len(inputs))] = random.choice((*forms, *node.input))
    node.input[:] = inputs


def _drop_input(node: NodeDef, graph: GraphDef, random: Random) -> None:
    if node.input:
        del node.input[random.randrange(len(node.input))]


def _rename(node: NodeDef, graph: GraphDef, random: Random) -> None:
    node.name = random.choice((random.choice(graph.node).name, "", "a b", f"{node.name}/x", "x:1"))


def _cut_body(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    if function.node_def:
        del function.node_def[random.randrange(len(function.node_def))]


def _drop_argument(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    arguments = random.choice([function.signature.input_arg, function.signature.output_arg])
    if arguments:
        del arguments[random.randrange(len(arguments))]


def _add_argument(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    arguments = random.choice([function.signature.input_arg, function.signature.output_arg])
    made = arguments.add(
        name=random.choice(("new", *(a.name for a in arguments))), type=random.choice((0, 1, 20))
    )
    made.type_attr = random.choice(("", "T"))


def _change_argument(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    arguments = random.choice([function.signature.input_arg, function.signature.output_arg])
    if arguments:
        random.choice(arguments).type = random.choice((0, 1, 3, 20, 101, -5))


def _change_result(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    if function.ret:
        values = (
            *function.ret.values(),
            "nothere",
            "^x",
            "a:b",
            *(a.name for a in function.signature.input_arg),
        )
        function.ret[random.choice(sorted(function.ret))] = random.choice(values)


def _change_control_result(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    function.signature.control_output.append("more")
    function.control_ret["more"] = random.choice((*(n.name for n in function.node_def), "nothere"))


def _drop_function(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    graph.library.function.remove(function)


def _rename_function(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    function.signature.name = random.choice(graph.library.function).signature.name


def _noinline(function: FunctionDef, graph: GraphDef, random: Random) -> None:
    function.attr["_noinline"].b = True


_OF_NODES: tuple[Callable[[NodeDef, GraphDef, Random], None], ...] = (
    _drop_attr,
    _change_attr,
    _swap_attr,
    _change_op,
    _change_function,
    _shuffle_inputs,
    _change_input,
    _drop_input,
    _rename,
)
_OF_FUNCTIONS: tuple[Callable[[FunctionDef, GraphDef, Random], None], ...] = (
    _cut_body,
    _drop_argument,
    _add_argument,
    _change_argument,
    _change_result,
    _change_control_result,
    _drop_function,
    _rename_function,
    _noinline,
)
