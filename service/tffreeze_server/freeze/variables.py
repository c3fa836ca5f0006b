"""Variables and what is known of their values."""

from __future__ import annotations

from dataclasses import dataclass

from tffreeze_server.graph.node import TensorValue


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
        source: `saver`, `name`, `object_graph`, `moving_average` or `initializer`.

    """

    variable: Variable
    value: TensorValue
    key: str
    source: str
