"""What outputs reach, and an order in which every node comes after its inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.ops import BACK_EDGE_OPS


def reachable(nodes: Mapping[str, Node], roots: Iterable[str], args: Collection[str] = ()) -> dict[str, Node]:
    """The nodes that the roots reach, each after its inputs, else in the order of first need.

    Args:
        nodes: By name.
        roots: Names of nodes.
        args: Names that are not nodes: the arguments of a function body.

    Raises:
        FreezeError: MALFORMED_MODEL for a root or input that is not there, or a cycle that is no loop.

    """
    done: dict[str, Node] = {}
    state: dict[str, bool] = {}  # False: its inputs are on the way; True: placed.
    loops: list[str] = []
    pending = list(roots)
    while True:
        stack: list[str | Node] = [name for name in reversed(pending) if name not in args]
        while stack:
            top = stack.pop()
            if isinstance(top, Node):  # All its inputs are placed.
                state[top.name] = True
                done[top.name] = top
                continue
            if top in state:
                continue
            node = _node(nodes, top)
            state[top] = False
            stack.append(node)
            for tensor in reversed(node.inputs):
                producer = node_of(tensor)
                if state.get(producer) or producer in args:
                    continue
                if producer not in nodes:
                    raise _missing(nodes, node, producer)
                if nodes[producer].op in BACK_EDGE_OPS:
                    loops.append(producer)
                elif producer in state:
                    raise _cycle(node, producer)
                else:
                    stack.append(producer)
        pending = [name for name in loops if name not in state]
        loops = []
        if not pending:
            return done


def pruned(nodes: dict[str, Node], roots: Iterable[str]) -> dict[str, Node]:
    """The nodes that the roots reach, in the order they are in: cheaper than `reachable` where that is right.

    Args:
        nodes: By name, each after its inputs (what comes around in a loop aside).
        roots: Names of nodes.

    """
    needed = set(roots)
    for name, node in reversed(nodes.items()):
        if name in needed:
            needed.update([node_of(tensor) for tensor in node.inputs])
    late = [node for node in nodes.values() if node.op in BACK_EDGE_OPS and node.name in needed]
    while late:
        for tensor in late.pop().inputs:
            name = node_of(tensor)
            if name not in needed and name in nodes:
                needed.add(name)
                late.append(nodes[name])
    return {name: node for name, node in nodes.items() if name in needed}


def in_order(nodes: dict[str, Node], roots: Iterable[str]) -> dict[str, Node]:
    """As `reachable`, for most of a large graph: mostly a file has its nodes in such an order, and it is kept."""
    roots = list(roots)
    kept = pruned(nodes, roots)
    placed: set[str] = set()
    for name, node in kept.items():
        for tensor in node.inputs:
            producer = node_of(tensor)
            if producer not in placed and (producer not in kept or kept[producer].op not in BACK_EDGE_OPS):
                return reachable(nodes, roots)
        placed.add(name)
    return kept if placed.issuperset(roots) else reachable(nodes, roots)


def _node(nodes: Mapping[str, Node], name: str) -> Node:
    try:
        return nodes[name]
    except KeyError:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The model names a node {name!r}, which is not in its graph. {nearest(name, nodes)} "
            "It was cut or edited: export it again.",
            subject=name,
        ) from None


def _missing(nodes: Mapping[str, Node], node: Node, producer: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The node {node.name!r} (op {node.op!r}) reads {producer!r}, which is not in the graph. "
        f"{nearest(producer, nodes)} The model was cut or edited: export it again.",
        subject=node.name,
    )


def _cycle(node: Node, producer: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The nodes {node.name!r} and {producer!r} wait for each other. The model was edited: export it again.",
        subject=node.name,
    )
