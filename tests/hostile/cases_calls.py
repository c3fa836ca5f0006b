"""Writes inside of calls that pruning would lose: 400 to 499. No frozen value may be one that TensorFlow changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from checkpoint.bundle_writer import Stored
from hostile.case import Case, Model, graph_only
from hostile.cases_budget import FLOAT, RESOURCE, function, graph, type_of, with_checkpoint, x
from hostile.cases_linear import ONE, added, handle, read
from tffreeze_server.errors import Reason
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef

WRITTEN = Reason.REACHABLE_WRITE


def counting(name: str, body: Iterable[NodeDef]) -> FunctionDef:
    """A function that gives the float that it is given, and writes to the variable that it is given."""
    made = function(name, body, "a")
    made.signature.input_arg.add(name="h", type=RESOURCE)  # type: ignore[arg-type]  # the enum is open
    return made


def add(handle_name: str) -> NodeDef:
    """A counter goes up, and nothing waits for it."""
    return NodeDef(name="add", op="AssignAddVariableOp", input=[handle_name, "a"], attr={"dtype": type_of()})


def call(name: str, called: str, *inputs: str) -> NodeDef:
    """A call."""
    return NodeDef(name=name, op=called, input=inputs)


def counters(n: int) -> Model:
    """N variables, each counted up in a call whose result does not need it, and each read after."""
    nodes = [x()]
    for k in range(n):
        nodes += [handle(f"v{k}"), call(f"c{k}", "f", f"c{k - 1}" if k else "x", f"v{k}")]
        nodes.append(read(f"r{k}", f"v{k}", f"^c{k}"))
    nodes.append(added([*(f"r{k}" for k in range(n)), f"c{n - 1}"]))
    made = graph_only(graph(nodes, [counting("f", [add("h")])]), "y")
    return with_checkpoint(made, [Stored(f"v{k}", FLOAT, (), ONE) for k in range(n)])


def handle_chain(n: int) -> Model:
    """A handle through n Identities and n functions before it is written to."""
    same = [
        NodeDef(
            name=f"i{k}",
            op="Identity",
            input=[f"i{k - 1}:output:0" if k else "h"],
            attr={"T": type_of(RESOURCE)},
        )
        for k in range(n)
    ]
    functions = [counting("f0", [*same, add(f"i{n - 1}:output:0")])]
    functions += [counting(f"f{k}", [call("c", f"f{k - 1}", "a", "h")]) for k in range(1, n)]
    nodes = [x(), handle("v"), call("c", f"f{n - 1}", "x", "v"), read("r", "v", "^c"), added(["r", "c"])]
    return with_checkpoint(graph_only(graph(nodes, functions), "y"), [Stored("v", FLOAT, (), ONE)])


def denied(n: int) -> Model:
    """N counters that all stay variables, but for the last."""
    made = counters(n)
    return replace(made, options=replace(made.options, deny=tuple(f"v{k}" for k in range(n - 1))))


def all_denied(n: int) -> Model:
    """N counters that all stay variables: their calls stay calls, and nothing is lost."""
    made = counters(n)
    return replace(made, options=replace(made.options, deny=tuple(f"v{k}" for k in range(n))))


CASES = (
    Case(400, counters, WRITTEN, size=2_000),
    Case(401, handle_chain, WRITTEN, size=90, small=80, largest=90),
    Case(402, denied, WRITTEN, size=2_000),
    Case(403, all_denied, None, size=2_000),
)
