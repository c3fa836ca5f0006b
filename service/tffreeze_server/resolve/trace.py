"""Following tensors of a flat graph back to what they are."""

from __future__ import annotations

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import Node, Nodes, split_tensor
from tffreeze_server.graph.ops import SAME_VALUE_OPS, SWITCH_OPS, VARIABLE_OPS
from tffreeze_server.graph.variables import variable_key

VariableKey = tuple[str, str]
"""Container and name, as `variable_key` gives them."""

_SAME_VARIABLE = SAME_VALUE_OPS | SWITCH_OPS


class Origins:
    """Where tensors come from, looking through ops that hand them on; each tensor is followed once.

    Args:
        flat: The graph.
        through: Ops whose output is their first input.

    """

    def __init__(self, flat: Nodes, through: frozenset[str] = SAME_VALUE_OPS) -> None:
        self._flat = flat
        self._through = through
        self._known: dict[str, tuple[Node, int]] = {}

    def of(self, tensor: str) -> tuple[Node, int]:
        """The node and output that a tensor comes from.

        Raises:
            FreezeError: MALFORMED_MODEL where a tensor is its own origin.

        """
        way: dict[str, None] = {}
        while tensor not in self._known:
            if tensor in way:
                raise FreezeError(
                    Reason.MALFORMED_MODEL, f"The tensor {tensor!r} comes from itself.", subject=tensor
                )
            way[tensor] = None
            name, index = split_tensor(tensor)
            node = self._flat[name]
            if node.op == "IdentityN" and index < len(data_inputs(node)):
                tensor = node.inputs[index]
            elif node.op in self._through and data_inputs(node):
                tensor = node.inputs[0]
            else:
                self._known[tensor] = node, index
        self._known.update(dict.fromkeys(way, self._known[tensor]))
        return self._known[tensor]


class Variables:
    """Which variable a handle or ref is."""

    def __init__(self, flat: Nodes) -> None:
        self._origins = Origins(flat, _SAME_VARIABLE)

    def of(self, tensor: str) -> VariableKey | None:
        """The key of the variable; None where it is none."""
        node, _ = self._origins.of(tensor)
        return variable_key(node) if node.op in VARIABLE_OPS else None


def data_inputs(node: Node) -> list[str]:
    """The inputs that are tensors."""
    return [tensor for tensor in node.inputs if not tensor.startswith("^")]
