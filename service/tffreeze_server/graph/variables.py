"""Variables, what is known of their values, and which nodes are which variable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tffreeze_common.report import ValueSource
from tffreeze_server.graph.attrs import read_shape
from tffreeze_server.graph.node import Node, TensorValue


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a graph. Nodes with the same container and shared_name are one variable.

    Attributes:
        name: shared_name where there is one, else the name of its node.
        container: Its resource container, mostly empty.
        nodes: Names of its nodes, in file order.
        op: `VarHandleOp`, `VariableV2` or `Variable`.
        dtype: The number of a `DataType`.
        shape: Sizes, -1 where open; None where the rank is unknown.

    """

    name: str
    container: str
    nodes: tuple[str, ...]
    op: str
    dtype: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Binding:
    """The value of a variable and where it came from.

    Attributes:
        variable: Which variable.
        value: Its value, by reference.
        key: The checkpoint key; empty for an initializer.
        source: What says so.
        random_initializer: The node by which a loader would set it to random numbers after the restore, and
            which does not count; mostly empty.

    """

    variable: Variable
    value: TensorValue
    key: str
    source: ValueSource
    random_initializer: str = ""


ANONYMOUS_SHARED_NAME = b"cd2c89b7-88b7-44c8-ad83-06c2a9158347"
"""The shared_name of a handle that is a new variable each time (`core/framework/resource_mgr.h`)."""


def variable_key(node: Node) -> tuple[str, str]:
    """Container and name of the variable that a node is; nodes with the same are one variable."""
    attrs = node.proto.attr
    shared = attrs["shared_name"].s if "shared_name" in attrs else b""
    container = attrs["container"].s if "container" in attrs else b""
    named = shared and shared != ANONYMOUS_SHARED_NAME
    # Two names that are no UTF-8 stay two; the keys of a checkpoint are read in the same way.
    name = shared.decode("utf-8", "backslashreplace") if named else node.name
    return container.decode("utf-8", "backslashreplace"), name


def is_nameless(node: Node) -> bool:
    """Whether a node is the handle of a variable with an empty name.

    A `VarHandleOp` does not take its node's name instead, as a ref variable does: `VarHandleOp` and `ContainerInfo` in
    `core/kernels/resource_variable_ops.cc` and `core/framework/resource_mgr.cc`.
    """
    return node.op == "VarHandleOp" and not (
        "shared_name" in node.proto.attr and node.proto.attr["shared_name"].s
    )


def key_of(variable: Variable) -> tuple[str, str]:
    """Container and name of a variable, as `variable_key` tells them of its nodes."""
    return variable.container, variable.name


def variables_of(nodes: Iterable[Node], variable_ops: frozenset[str]) -> dict[tuple[str, str], Variable]:
    """The variables among some nodes, by container and name, in order."""
    found: dict[tuple[str, str], Variable] = {}
    names: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        if node.op not in variable_ops:
            continue
        key = variable_key(node)
        names.setdefault(key, []).append(node.name)
        if key in found:
            continue
        attrs = node.proto.attr
        dtype = attrs["dtype"].type if "dtype" in attrs else 0
        # An op `Variable` of before 2016 writes an unknown rank as a scalar shape: treat [] as unknown there.
        shape = read_shape(attrs["shape"].shape, node.name) if "shape" in attrs else None
        if node.op == "Variable" and shape == ():
            shape = None
        found[key] = Variable(key[1], key[0], (), node.op, dtype, shape)
    return {key: replace(variable, nodes=tuple(names[key])) for key, variable in found.items()}
