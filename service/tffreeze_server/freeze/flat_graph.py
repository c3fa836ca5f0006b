"""The graph that the outputs reach, all calls inlined, cut where the caller wants it cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.freeze.attrs import shape_attr, type_attr, types_attr
from tffreeze_server.freeze.inline import Inliner, called_function, follow, inline_calls
from tffreeze_server.freeze.outputs import Wanted, canonical
from tffreeze_server.freeze.roles import VARIABLE_OPS, is_write
from tffreeze_server.graph.body import Outputs
from tffreeze_server.graph.dtypes import base
from tffreeze_server.graph.node import Node, new_node, node_of, split_tensor
from tffreeze_server.graph.op_args import output_types
from tffreeze_server.graph.order import reachable


@dataclass(frozen=True, slots=True)
class FlatGraph:
    """What the outputs reach.

    Attributes:
        nodes: By name, each after its inputs.
        unused: Nodes of inlined bodies that no output needs.
        tensors: For each wanted tensor (`node`, `node:1`) the one that stands for it here.
        top: How many nodes of the model's own graph were reached.

    """

    nodes: dict[str, Node]
    unused: tuple[Node, ...]
    tensors: Mapping[str, str]
    top: int


Keeps = Callable[[Node], bool]
"""Whether the variable that a node is stays a variable."""


def flat_graph(
    nodes: Mapping[str, Node],
    wanted: Wanted,
    cuts: tuple[str, ...],
    inliner: Inliner,
    keeps: Keeps | None = None,
) -> FlatGraph:
    """Inline, cut and prune.

    An output that is a call asked for by name keeps that name. So does any output that is a call where
    variables stay: it then waits for what the call writes to them.

    Args:
        nodes: Of the model's graph, by name.
        wanted: What is to be kept.
        cuts: Tensors that become inputs (Placeholders) of the graph.
        inliner: Knows the model's functions.
        keeps: Which variables stay variables; None where none does.

    Raises:
        FreezeError: OUTPUT_NOT_FOUND, INPUT_NOT_FOUND, MALFORMED_MODEL, UNSUPPORTED_OP, UNKNOWN_OP.

    """
    library = inliner.outputs.library
    tensors = [e.tensor for e in (*wanted.outputs, *wanted.inputs)]
    tops = [_top(nodes, name) for name in (*tensors, *wanted.named)]
    reached = reachable(nodes, tops)
    asked = [*wanted.named, *(node_of(e.tensor) for e in wanted.outputs if keeps)]
    calls = [n for n in dict.fromkeys(asked) if n in nodes and called_function(nodes[n], library) is not None]
    flat, aliases = inline_calls(reached, inliner, frozenset(calls if keeps else ()), nodes)
    for name in calls:
        waits = flat[name].inputs if name in flat else ()
        if keeps:
            waits = tuple(wait for wait in waits if _writes(flat, wait, keeps))
        flat[name] = _stand_in(nodes[name], aliases, inliner.outputs, waits)
    aliases = {t: now for t, now in aliases.items() if node_of(t) not in calls}
    now = {t: follow(aliases, t) for t in dict.fromkeys((*tensors, *wanted.named))}
    for tensor in cuts:
        now[canonical(tensor)] = _cut(flat, follow(aliases, canonical(tensor)), inliner.outputs)
    for name in wanted.named:
        _check_there(flat, name, now[name])
    changed = aliases or len(flat) > len(reached) or cuts
    ordered = reachable(flat, [node_of(t) for t in now.values()]) if changed else reached
    unused = tuple(node for name, node in flat.items() if name not in ordered)
    return FlatGraph(ordered, unused, now, len(reached))


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


def _check_there(flat: Mapping[str, Node], asked: str, tensor: str) -> None:
    if node_of(tensor) not in flat:
        raise FreezeError(
            Reason.OUTPUT_NOT_FOUND,
            f"There is no node {node_of(asked)!r} in the graph, calls inlined. {nearest(asked, flat)}",
            subject=asked,
        )


def _writes(flat: Mapping[str, Node], wait: str, keeps: Keeps) -> bool:
    """Whether what is waited for writes to a variable that stays."""
    for node in reachable(flat, [node_of(wait)]).values():
        handle: Node | None = node if is_write(node.op) else None
        while handle is not None and handle.op not in VARIABLE_OPS:
            handle = flat.get(node_of(handle.inputs[0])) if handle.inputs else None
        if handle is not None and keeps(handle):
            return True
    return False


def _stand_in(call: Node, aliases: Mapping[str, str], outputs: Outputs, waits: tuple[str, ...]) -> Node:
    """A node that keeps the name of a call: an output asked for by that name must be there."""
    definition = outputs.definition(call.op)
    types = output_types(definition, call.proto.attr, node=call.name) if definition else ()
    names = [call.name if k == 0 else f"{call.name}:{k}" for k in range(len(types))]
    results = tuple(follow(aliases, name) for name in names)
    if len(types) == 1:
        return new_node(call.name, "Identity", results + waits, {"T": type_attr(types[0])})
    if not types:
        return new_node(call.name, "NoOp", waits, {})
    return new_node(call.name, "IdentityN", results + waits, {"T": types_attr(types)})


def _cut(flat: dict[str, Node], tensor: str, outputs: Outputs) -> str:
    """Put a Placeholder in place of a tensor; its name."""
    name, index = split_tensor(tensor)
    node = flat.get(name)
    if node is None:
        raise FreezeError(
            Reason.INPUT_NOT_FOUND,
            f"The graph is to be cut at {tensor!r}, but no output reaches a node {name!r}. {nearest(name, flat)}",
            subject=tensor,
        )
    definition = outputs.definition(node.op)
    types = output_types(definition, node.proto.attr, node=name) if definition else ()
    if index >= len(types):
        raise FreezeError(
            Reason.INPUT_NOT_FOUND,
            f"The graph is to be cut at {tensor!r}, but {name!r} (op {node.op!r}) is known to have "
            f"{len(types)} outputs.",
            subject=tensor,
        )
    attrs = {"dtype": type_attr(base(types[index])), "shape": shape_attr(_known_shape(node, index))}
    if len(types) == 1:
        flat[name] = new_node(name, "Placeholder", (), attrs)
        return name
    made = f"{name}_{index}"
    while made in flat:
        made += "_"
    flat[made] = new_node(made, "Placeholder", (), attrs)
    for reader in list(flat.values()):
        if tensor in reader.inputs:
            inputs = tuple(made if i == tensor else i for i in reader.inputs)
            flat[reader.name] = reader._replace(inputs=inputs)
    return made


def _known_shape(node: Node, index: int) -> tuple[int, ...] | None:
    """The shape that the exporter noted for an output, if it did."""
    for key in ("_output_shapes", "output_shapes", "shape"):
        value = node.proto.attr.get(key)
        if value is None:
            continue
        if value.WhichOneof("value") == "shape" and index == 0:
            return None if value.shape.unknown_rank else tuple(d.size for d in value.shape.dim)
        if index < len(value.list.shape):
            shape = value.list.shape[index]
            return None if shape.unknown_rank else tuple(d.size for d in shape.dim)
    return None
