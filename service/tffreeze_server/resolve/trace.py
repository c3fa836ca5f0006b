"""Following tensors of a flat graph back to what they are."""

from __future__ import annotations

from collections.abc import Mapping

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import Node, split_tensor
from tffreeze_server.graph.roles import VARIABLE_OPS
from tffreeze_server.graph.variables import variable_key

VariableKey = tuple[str, str]
"""Container and name, as `variable_key` gives them."""

FlatGraph = Mapping[str, Node]

SAME_VALUE = frozenset({"Identity", "RefIdentity", "Enter", "RefEnter"})
"""Ops whose one output is their first input."""

_DRAWN_AT_ONCE = 16
"""Steps: hardly any way is as long."""

_SAME_VARIABLE = SAME_VALUE | {"Switch", "RefSwitch"}


def origin(
    flat: FlatGraph, tensor: str, budget: Budget, through: frozenset[str] = SAME_VALUE
) -> tuple[Node, int]:
    """The node and output that a tensor comes from, looking through ops that hand it on.

    Raises:
        FreezeError: MALFORMED_MODEL where a tensor is its own origin; MODEL_TOO_COMPLEX where the ways of many
            tensors are long.

    """
    for step in range(len(flat) + 1):
        if step % _DRAWN_AT_ONCE == _DRAWN_AT_ONCE - 1:
            budget.draw("where tensors come from", 2 * _DRAWN_AT_ONCE, subject=tensor)
        name, index = split_tensor(tensor)
        node = flat[name]
        if node.op == "IdentityN" and index < len(data_inputs(node)):
            tensor = node.inputs[index]
        elif node.op in through and data_inputs(node):
            tensor = node.inputs[0]
        else:
            return node, index
    raise FreezeError(Reason.MALFORMED_MODEL, f"The tensor {tensor!r} comes from itself.", subject=tensor)


def variable_of(flat: FlatGraph, tensor: str, budget: Budget) -> VariableKey | None:
    """The variable that a handle or ref is; None where it is none."""
    node, _ = origin(flat, tensor, budget, _SAME_VARIABLE)
    return variable_key(node) if node.op in VARIABLE_OPS else None


def data_inputs(node: Node) -> list[str]:
    """The inputs that are tensors."""
    return [tensor for tensor in node.inputs if not tensor.startswith("^")]
