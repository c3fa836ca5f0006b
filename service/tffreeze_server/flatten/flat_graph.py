"""The graph that the outputs reach, all calls inlined, cut where the caller wants it cut.

Theory of operation. In this order:
1. Take what the outputs reach of the model's own graph.
2. Cut it at those tensors of the caller's that are in it. What only led there is not looked at again.
3. Inline all calls (`graph/inline.py`). A call that is an output by its own name leaves a stand-in of that name.
4. Cut what is left to cut: tensors inside of what was a call.
5. Drop control dependencies on reads of variables that become constants (`drop_read_controls.py`).
6. Prune to what the outputs reach.
7. Where inlining and pruning would lose a write that something kept can see (`lost_writes.py`), mark that call as
   one to leave and start again. Each round marks at least one more call, so this ends.

Invariants:
- Nodes are never changed in place, nor is a mapping that was handed in; each step makes a new one.
- `now` says, after each step, which tensor stands for each tensor that was asked for or cut at.
- A graph that no step changes keeps the order of its file; any other is in the order of first need.
- An output asked for by name keeps its name. Where variables stay, so does any output that is a call: the stand-in
  depends on what the call writes to them.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.flatten.choose_outputs import Endpoints, canonical
from tffreeze_server.flatten.cut import CutGraph, cut_at
from tffreeze_server.flatten.drop_read_controls import without_waits_for_reads
from tffreeze_server.flatten.lost_writes import Keeps, Pruning, calls_to_leave
from tffreeze_server.graph.attrs import type_attr, types_attr
from tffreeze_server.graph.functions import Functions
from tffreeze_server.graph.inline import called_function, follow, has_frames, inline_calls
from tffreeze_server.graph.inputs import check_inputs
from tffreeze_server.graph.node import Node, new_node, node_of, split_tensor
from tffreeze_server.graph.op_args import output_ranges
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.graph.ops import CALLS, FORWARDING_OPS, VARIABLE_OPS, is_write
from tffreeze_server.graph.order import in_order, reachable
from tffreeze_server.graph.saver_nodes import readers_of


@dataclass(frozen=True, slots=True)
class FlatGraph:
    """What the outputs reach.

    Attributes:
        nodes: By name, each after its inputs.
        unused: Nodes of inlined bodies that no output needs.
        tensors: For each wanted tensor (`node`, `node:1`), and each that the graph was cut at, the one that
            stands for it here.
        cuts: The tensors that the graph was cut at.

    """

    nodes: dict[str, Node]
    unused: tuple[Node, ...]
    tensors: Mapping[str, str]
    cuts: tuple[str, ...]


def flat_graph(
    nodes: dict[str, Node],
    endpoints: Endpoints,
    cuts: tuple[str, ...],
    functions: Functions,
    keeps: Keeps | None = None,
) -> FlatGraph:
    """Inline, cut and prune a graph, as this module's docstring tells.

    Args:
        nodes: Of the model's graph, by name.
        endpoints: What is to be kept.
        cuts: Tensors that become inputs (Placeholders) of the graph.
        functions: The model's.
        keeps: Which variables stay variables; None where none does.

    Raises:
        FreezeError: OUTPUT_NOT_FOUND, INPUT_NOT_FOUND, REACHABLE_WRITE, MALFORMED_MODEL, UNSUPPORTED_OP, UNKNOWN_OP.

    """
    registry = functions.registry
    cuts = tuple(dict.fromkeys(map(canonical, cuts)))
    tensors = list(
        dict.fromkeys([e.tensor for e in (*endpoints.outputs, *endpoints.inputs)] + [*endpoints.named])
    )
    whole = in_order(nodes, [_top(nodes, name) for name in tensors])
    outer = cut_at(whole, [t for t in cuts if node_of(t) in whole], registry)
    now = _after_cut({tensor: tensor for tensor in tensors}, outer)
    reached = outer.nodes
    if cuts:  # What is above a cut need not even be read.
        roots = (node_of(tensor) for tensor in now.values())
        reached = reachable(reached, [name if name in reached else _top(nodes, name) for name in roots])
    check_inputs(reached, registry)
    flat, aliases, callers = _inlined(reached, nodes, endpoints, functions, keeps)
    now = {asked: follow(aliases, tensor) for asked, tensor in now.items()}
    inner = cut_at(flat, [t for t in cuts if t not in now or node_of(t) not in whole], registry)
    now, flat = _after_cut(now, inner), inner.nodes
    for asked, tensor in now.items():
        _check_there(flat, asked, tensor, registry)
    if not has_frames(flat):
        flat = without_waits_for_reads(flat, keeps or (lambda _: False))
    if _is_unchanged(whole, flat):
        return FlatGraph(whole, (), now, cuts)
    kept = reachable(flat, [node_of(t) for t in now.values()])
    left = calls_to_leave(
        Pruning(reached, flat, kept, callers, tuple(tensors), cuts), functions.effects, keeps
    )
    if left:
        return flat_graph({**nodes, **left}, endpoints, cuts, functions, keeps)
    return FlatGraph(kept, tuple(node for name, node in flat.items() if name not in kept), now, cuts)


def _after_cut(now: Mapping[str, str], graph: CutGraph) -> dict[str, str]:
    """What stands for each tensor after a cut: of those above, and of those that it was cut at."""
    cut = graph.placeholders
    return {asked: cut.get(current, current) for asked, current in now.items()} | dict(cut)


def _is_unchanged(before: Mapping[str, Node], after: Mapping[str, Node]) -> bool:
    """Whether no node was changed, added or taken: each step gives a node that it leaves as it is as the same object.

    Then the order of the nodes stands, too, which for a large graph is much work to find.
    """
    return len(before) == len(after) and all(map(operator.is_, after.values(), before.values()))


def _inlined(
    reached: Mapping[str, Node],
    nodes: Mapping[str, Node],
    endpoints: Endpoints,
    functions: Functions,
    keeps: Keeps | None,
) -> tuple[dict[str, Node], dict[str, str], dict[str, str]]:
    """What was reached, its calls inlined, with stand-ins for names to keep; as `inline_calls`, then its `callers`."""
    library = functions.registry.library
    asked = [node_of(t) for t in (*endpoints.named, *(e.tensor for e in endpoints.outputs if keeps))]
    calls = [
        n for n in dict.fromkeys(asked) if n in reached and called_function(reached[n], library) is not None
    ]
    callers: dict[str, str] = {}
    flat, aliases = inline_calls(
        reached, functions.inliner, frozenset(calls if keeps else ()), nodes, callers
    )
    ends = {name: flat[name].inputs if name in flat else () for name in calls}
    writing = _writing(flat, [node_of(w) for waits in ends.values() for w in waits], keeps) if keeps else None
    for name, waits in ends.items():
        kept = waits if writing is None else tuple(w for w in waits if node_of(w) in writing)
        flat[name] = _stand_in(reached[name], aliases, functions.registry, kept)
    return flat, {t: now for t, now in aliases.items() if node_of(t) not in ends}, callers


def _top(nodes: Mapping[str, Node], tensor: str) -> str:
    """The node of the model's graph that a tensor belongs to; for one inside a call, the call."""
    name = node_of(tensor)
    if name in nodes:
        return name
    parts = name.split("/")
    for length in range(len(parts) - 1, 0, -1):
        call = "/".join(parts[:length])
        if call in nodes:
            return call
    raise FreezeError(
        Reason.OUTPUT_NOT_FOUND,
        f"There is no node {name!r} in the graph. {nearest(name, nodes)}",
        subject=name,
    )


def _check_there(flat: Mapping[str, Node], asked: str, tensor: str, registry: OpRegistry) -> None:
    name, index = split_tensor(tensor)
    node = flat.get(name)
    if node is None:
        raise FreezeError(
            Reason.OUTPUT_NOT_FOUND,
            f"There is no node {node_of(asked)!r} in the graph, calls inlined. {nearest(asked, flat)}",
            subject=asked,
        )
    definition = registry.definition(node.op) if index else None
    count = (
        sum(r.length for r in output_ranges(definition, node.proto.attr, node=name))
        if definition
        else index + 1
    )
    if index >= count:
        raise FreezeError(
            Reason.OUTPUT_NOT_FOUND,
            f"There is no tensor {asked!r}: the node {name!r} (op {node.op!r}) has {count} outputs.",
            subject=asked,
        )


def _writing(flat: Mapping[str, Node], roots: Iterable[str], keeps: Keeps) -> set[str]:
    """The nodes, of those that are reached, that write to a variable that stays, or wait for one that does."""
    nodes = reachable(flat, roots)
    kept = _handles_of_kept(nodes, keeps)
    return readers_of(nodes, {name for name, node in nodes.items() if _writes(node, kept)})


def _writes(node: Node, kept: Collection[str]) -> bool:
    """Whether a node, or a function it may run, writes to a variable that stays."""
    if is_write(node.op):
        return any(node_of(tensor) in kept for tensor in node.inputs[:1])
    return node.op in CALLS and any(node_of(tensor) in kept for tensor in node.inputs)


def _handles_of_kept(nodes: Mapping[str, Node], keeps: Keeps) -> set[str]:
    """The nodes that are a variable that stays, or hand on its handle or buffer."""
    found = {name for name, node in nodes.items() if node.op in VARIABLE_OPS and keeps(node)}
    forwarding = {
        name: node._replace(inputs=node.inputs[:1])
        for name, node in nodes.items()
        if node.op in FORWARDING_OPS
    }
    return readers_of(forwarding, found)


def _stand_in(call: Node, aliases: Mapping[str, str], registry: OpRegistry, waits: tuple[str, ...]) -> Node:
    """A node that keeps the name of a call: an output asked for by that name must be there."""
    types = registry.types(call)
    names = [call.name if k == 0 else f"{call.name}:{k}" for k in range(len(types))]
    results = tuple(follow(aliases, name) for name in names)
    if len(types) == 1:
        return new_node(call.name, "Identity", results + waits, {"T": type_attr(types[0])})
    if not types:
        return new_node(call.name, "NoOp", waits, {})
    return new_node(call.name, "IdentityN", results + waits, {"T": types_attr(types)})
