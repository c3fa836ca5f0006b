"""The graph that the outputs reach, all calls inlined, cut where the caller wants it cut."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.attrs import read_shape, shape_attr, type_attr, types_attr
from tffreeze_server.graph.body import Outputs
from tffreeze_server.graph.effects import Effects
from tffreeze_server.graph.inline import Inliner, called_function, follow, has_frames, inline_calls
from tffreeze_server.graph.inputs import check_inputs
from tffreeze_server.graph.node import Node, new_node, node_of, split_tensor
from tffreeze_server.graph.op_args import output_ranges
from tffreeze_server.graph.order import in_order, reachable
from tffreeze_server.graph.roles import CALLS, ROLES, VARIABLE_OPS, Role, is_write
from tffreeze_server.graph.saver_nodes import readers_of
from tffreeze_server.rewrite.clean import without_waits_for_reads
from tffreeze_server.rewrite.lost_writes import Keeps, Pruned, calls_to_leave
from tffreeze_server.rewrite.outputs import Wanted, canonical
from tffreeze_server.tensors.dtypes import base, is_ref


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
    wanted: Wanted,
    cuts: tuple[str, ...],
    inliner: Inliner,
    keeps: Keeps | None = None,
) -> FlatGraph:
    """Inline, cut and prune; calls whose writes could not be kept otherwise stay calls (`lost_writes.py`).

    An output that is a call asked for by name keeps that name. So does any output that is a call where
    variables stay: it then waits for what the call writes to them.

    Args:
        nodes: Of the model's graph, by name.
        wanted: What is to be kept.
        cuts: Tensors that become inputs (Placeholders) of the graph.
        inliner: Knows the model's functions.
        keeps: Which variables stay variables; None where none does.

    Raises:
        FreezeError: OUTPUT_NOT_FOUND, INPUT_NOT_FOUND, REACHABLE_WRITE, MALFORMED_MODEL, UNSUPPORTED_OP, UNKNOWN_OP.

    """
    cuts = tuple(dict.fromkeys(map(canonical, cuts)))
    tensors = list(dict.fromkeys([e.tensor for e in (*wanted.outputs, *wanted.inputs)] + [*wanted.named]))
    whole = in_order(nodes, [_top(nodes, name) for name in tensors])
    now = {tensor: tensor for tensor in tensors}
    reached = _cut_all(whole, [t for t in cuts if node_of(t) in whole], now, inliner.outputs)
    if cuts:  # What is above a cut need not even be read.
        roots = (node_of(tensor) for tensor in now.values())
        reached = reachable(reached, [name if name in reached else _top(nodes, name) for name in roots])
    check_inputs(reached, inliner.outputs)
    flat, aliases, callers = _inlined(reached, nodes, wanted, inliner, keeps)
    now = {asked: follow(aliases, tensor) for asked, tensor in now.items()}
    flat = _cut_all(flat, [t for t in cuts if t not in now or node_of(t) not in whole], now, inliner.outputs)
    for asked, tensor in now.items():
        _check_there(flat, asked, tensor, inliner.outputs)
    if not has_frames(flat):
        flat = without_waits_for_reads(flat, keeps or (lambda _: False))
    is_same = len(flat) == len(whole) and all(map(operator.is_, flat.values(), whole.values()))
    ordered = whole if is_same else reachable(flat, [node_of(t) for t in now.values()])
    if not is_same:
        pruned_graph = Pruned(reached, flat, ordered, callers, tuple(tensors), cuts)
        left = calls_to_leave(pruned_graph, Effects(inliner), keeps)
        if left:
            return flat_graph({**nodes, **left}, wanted, cuts, inliner, keeps)
    unused = () if is_same else tuple(node for name, node in flat.items() if name not in ordered)
    return FlatGraph(ordered, unused, now, cuts)


def _inlined(
    reached: Mapping[str, Node],
    nodes: Mapping[str, Node],
    wanted: Wanted,
    inliner: Inliner,
    keeps: Keeps | None,
) -> tuple[dict[str, Node], dict[str, str], dict[str, str]]:
    """What was reached, its calls inlined, with stand-ins for names to keep; as `inline_calls`, then its `callers`."""
    library = inliner.outputs.library
    asked = [node_of(t) for t in (*wanted.named, *(e.tensor for e in wanted.outputs if keeps))]
    calls = [
        n for n in dict.fromkeys(asked) if n in reached and called_function(reached[n], library) is not None
    ]
    callers: dict[str, str] = {}
    flat, aliases = inline_calls(reached, inliner, frozenset(calls if keeps else ()), nodes, callers)
    ends = {name: flat[name].inputs if name in flat else () for name in calls}
    writing = _writing(flat, [node_of(w) for waits in ends.values() for w in waits], keeps) if keeps else None
    for name, waits in ends.items():
        kept = waits if writing is None else tuple(w for w in waits if node_of(w) in writing)
        flat[name] = _stand_in(reached[name], aliases, inliner.outputs, kept)
    return flat, {t: now for t, now in aliases.items() if node_of(t) not in ends}, callers


def _cut_all(
    nodes: dict[str, Node], cuts: Sequence[str], now: dict[str, str], outputs: Outputs
) -> dict[str, Node]:
    """The nodes with Placeholders where they are to be cut; `now` says what stands for what."""
    if not cuts:
        return nodes
    changed = dict(nodes)
    made: dict[str, str] = {}
    buffers: set[str] = set()
    for tensor in cuts:
        name, dtype = _cut(changed, tensor, outputs)
        made[tensor] = name
        if is_ref(dtype):
            buffers.add(tensor)
    _check_buffers(changed.values(), buffers, outputs)
    now.update({asked: made[current] for asked, current in now.items() if current in made} | made)
    moved = {tensor: name for tensor, name in made.items() if tensor != name}
    return {name: _reading(node, moved) for name, node in changed.items()}


def _reading(node: Node, moved: Mapping[str, str]) -> Node:
    """A node that reads the Placeholders that were made where the graph was cut."""
    if moved.keys().isdisjoint(node.inputs):
        return node
    return node._replace(inputs=tuple([moved.get(i, i) for i in node.inputs]))


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


def _check_there(flat: Mapping[str, Node], asked: str, tensor: str, outputs: Outputs) -> None:
    name, index = split_tensor(tensor)
    node = flat.get(name)
    if node is None:
        raise FreezeError(
            Reason.OUTPUT_NOT_FOUND,
            f"There is no node {node_of(asked)!r} in the graph, calls inlined. {nearest(asked, flat)}",
            subject=asked,
        )
    definition = outputs.definition(node.op) if index else None
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
    handed_on = {
        name: node._replace(inputs=node.inputs[:1])
        for name, node in nodes.items()
        if ROLES.get(node.op) in (Role.HAND_ON, Role.REF_HAND_ON)
    }
    return readers_of(handed_on, found)


def _stand_in(call: Node, aliases: Mapping[str, str], outputs: Outputs, waits: tuple[str, ...]) -> Node:
    """A node that keeps the name of a call: an output asked for by that name must be there."""
    types = outputs.types(call)
    names = [call.name if k == 0 else f"{call.name}:{k}" for k in range(len(types))]
    results = tuple(follow(aliases, name) for name in names)
    if len(types) == 1:
        return new_node(call.name, "Identity", results + waits, {"T": type_attr(types[0])})
    if not types:
        return new_node(call.name, "NoOp", waits, {})
    return new_node(call.name, "IdentityN", results + waits, {"T": types_attr(types)})


def _cut(flat: dict[str, Node], tensor: str, outputs: Outputs) -> tuple[str, int]:
    """Put a Placeholder in place of a tensor, or beside it; its name, and the tensor's dtype."""
    name, index = split_tensor(tensor)
    node = flat.get(name)
    if node is None:
        raise FreezeError(
            Reason.INPUT_NOT_FOUND,
            f"The graph is to be cut at {tensor!r}, but no output reaches a node {name!r}. {nearest(name, flat)}",
            subject=tensor,
        )
    types = outputs.types(node)
    if index >= len(types):
        raise FreezeError(
            Reason.INPUT_NOT_FOUND,
            f"The graph is to be cut at {tensor!r}, but {name!r} (op {node.op!r}) is known to have "
            f"{len(types)} outputs.",
            subject=tensor,
        )
    made = name if len(types) == 1 else f"{name}_{index}"
    while made in flat and made != name:
        made += "_"
    attrs = {"dtype": type_attr(base(types[index])), "shape": shape_attr(_known_shape(node, index))}
    flat[made] = new_node(made, "Placeholder", (), attrs)
    return made, types[index]


def _check_buffers(nodes: Iterable[Node], cut: set[str], outputs: Outputs) -> None:
    """Buffers of variables that the graph is cut at may be read for their values only."""
    for reader in nodes if cut else ():
        for k, tensor in enumerate(reader.inputs):
            if tensor in cut and outputs.takes_buffer(reader, k):
                raise FreezeError(
                    Reason.INVALID_OPTION,
                    f"The graph is to be cut at {tensor!r}, the buffer of a variable, which the node {reader.name!r} "
                    f"(op {reader.op!r}) asks for itself, not for its value. Cut at a tensor that is read from it.",
                    subject=tensor,
                )


def _known_shape(node: Node, index: int) -> tuple[int, ...] | None:
    """The shape that the exporter noted for an output, if it did."""
    for key in ("_output_shapes", "output_shapes", "shape"):
        value = node.proto.attr.get(key)
        if value is None:
            continue
        if value.WhichOneof("value") == "shape" and index == 0:
            return read_shape(value.shape, node.name)
        if index < len(value.list.shape):
            return read_shape(value.list.shape[index], node.name)
    return None
