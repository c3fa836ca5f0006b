"""A graph cut at some of its tensors: each is fed through a Placeholder then, and what is above it is not needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.attrs import read_shape, shape_attr, type_attr
from tffreeze_server.graph.node import Node, new_node, split_tensor
from tffreeze_server.graph.op_registry import OpRegistry
from tffreeze_server.tensors.dtypes import base, is_ref


@dataclass(frozen=True, slots=True)
class CutGraph:
    """A graph after it was cut.

    Attributes:
        nodes: By name, the Placeholders among them; what is above a cut is still there.
        placeholders: By tensor that it was cut at: the Placeholder to read instead.

    """

    nodes: dict[str, Node]
    placeholders: Mapping[str, str]


def cut_at(nodes: dict[str, Node], tensors: Sequence[str], registry: OpRegistry) -> CutGraph:
    """Cut a graph.

    A node with one output becomes the Placeholder; beside a node with several, a new one is made for the tensor.

    Args:
        nodes: By name; they are not changed.
        tensors: Where to cut.
        registry: The definitions of all ops.

    Raises:
        FreezeError: INPUT_NOT_FOUND; INVALID_OPTION where the ref of a variable is cut off from an op that needs it.

    """
    if not tensors:
        return CutGraph(nodes, {})
    changed = dict(nodes)
    placeholders: dict[str, str] = {}
    refs: set[str] = set()
    for tensor in tensors:
        placeholder, dtype = _placeholder(changed, tensor, registry)
        changed[placeholder.name] = placeholder
        placeholders[tensor] = placeholder.name
        if is_ref(dtype):
            refs.add(tensor)
    _check_refs(changed.values(), refs, registry)
    moved = {tensor: name for tensor, name in placeholders.items() if tensor != name}
    return CutGraph({name: _reading(node, moved) for name, node in changed.items()}, placeholders)


def _reading(node: Node, moved: Mapping[str, str]) -> Node:
    """A node that reads the Placeholders that were made where the graph was cut."""
    if moved.keys().isdisjoint(node.inputs):
        return node
    return node._replace(inputs=tuple([moved.get(i, i) for i in node.inputs]))


def _placeholder(nodes: Mapping[str, Node], tensor: str, registry: OpRegistry) -> tuple[Node, int]:
    """The Placeholder for a tensor, and the tensor's dtype."""
    name, index = split_tensor(tensor)
    node = nodes.get(name)
    if node is None:
        raise FreezeError(
            Reason.INPUT_NOT_FOUND,
            f"The graph is to be cut at {tensor!r}, but no output reaches a node {name!r}. {nearest(name, nodes)}",
            subject=tensor,
        )
    types = registry.types(node)
    if index >= len(types):
        raise FreezeError(
            Reason.INPUT_NOT_FOUND,
            f"The graph is to be cut at {tensor!r}, but {name!r} (op {node.op!r}) is known to have "
            f"{len(types)} outputs.",
            subject=tensor,
        )
    free = name if len(types) == 1 else f"{name}_{index}"
    while free in nodes and free != name:
        free += "_"
    attrs = {"dtype": type_attr(base(types[index])), "shape": shape_attr(_known_shape(node, index))}
    return new_node(free, "Placeholder", (), attrs), types[index]


def _check_refs(nodes: Iterable[Node], cut: Collection[str], registry: OpRegistry) -> None:
    """Refs of variables that the graph is cut at may be read for their values only."""
    for reader in nodes if cut else ():
        for k, tensor in enumerate(reader.inputs):
            if tensor in cut and registry.takes_ref(reader, k):
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
