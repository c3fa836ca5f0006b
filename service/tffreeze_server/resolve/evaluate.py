"""The value of a tensor that an initializer computes, without running it.

Constants, paths of assets, values of variables, and plain arithmetic on small tensors are taken as data. All
else is an error that names the op and the way to it. Branches of `tf.cond` are followed where what they depend on
is known: TensorFlow 1 wraps initial values in one that asks whether another variable is initialised.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import shape_proto
from tffreeze_server.graph.node import Node, TensorValue, node_of, split_tensor
from tffreeze_server.graph.roles import ROLES, Role
from tffreeze_server.resolve.small_tensor import (
    BOOL,
    SmallTensor,
    Value,
    cast,
    checked_shape,
    elementwise,
    has_numbers,
    read_small,
    to_value,
)
from tffreeze_server.resolve.trace import SAME_VALUE, FlatGraph, VariableKey, Variables, data_inputs
from tffreeze_server.tensors import dtypes
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

MAX_DEPTH = 100

_ELEMENTWISE: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "Add": operator.add,
        "AddV2": operator.add,
        "Sub": operator.sub,
        "Mul": operator.mul,
        "RealDiv": operator.truediv,
        "FloorDiv": operator.floordiv,
        "Maximum": max,
        "Minimum": min,
        "Neg": operator.neg,
        "Square": lambda x: x * x,
        "LogicalNot": operator.not_,
        "LogicalAnd": lambda x, y: x and y,
        "LogicalOr": lambda x, y: x or y,
    }
)
_RESHAPES = frozenset({"Reshape", "ExpandDims", "Squeeze"})
_MERGES = frozenset({"Merge", "RefMerge"})
_SWITCHES = frozenset({"Switch", "RefSwitch"})
_SAME = SAME_VALUE | _SWITCHES | {"PlaceholderWithDefault"}


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Evaluates tensors of one flat graph.

    Attributes:
        flat: The graph.
        assets: File name below `assets/` by tensor name.
        variable: The value of a variable as a given node reads it; raises FreezeError where it has none.
        is_set: Whether a variable has a value before the initializers run.
        budget: What elements are drawn from.

    """

    flat: FlatGraph
    assets: Mapping[str, str]
    variable: Callable[[VariableKey, str], TensorValue]
    is_set: Callable[[VariableKey], bool]
    budget: Budget
    _known: dict[str, TensorValue] = field(default_factory=dict)
    _dead: dict[str, bool] = field(default_factory=dict)
    _variables: list[Variables] = field(default_factory=list)

    def value(self, tensor: str, way: tuple[str, ...] = ()) -> TensorValue:
        """The value of a tensor.

        Args:
            tensor: Its name.
            way: The nodes from the initializer to it.

        Raises:
            FreezeError: UNSUPPORTED_INITIALIZER.

        """
        name, index = split_tensor(tensor)
        key = f"{name}:{index}"
        if key not in self._known:
            way = (*way, name)
            try:
                self._known[key] = self._computed(self.flat[name], index, way)
            except (ValueError, IndexError) as error:
                raise _unsupported(self.flat[name], way, error) from None
        return self._known[key]

    def is_dead(self, name: str) -> bool:
        """Whether a node is in a branch that is not taken.

        Raises:
            FreezeError: UNSUPPORTED_INITIALIZER where that is known only when the model runs.

        """
        pending = [name]
        open_nodes = set()
        while pending:
            node = self.flat[pending[-1]]
            if node.name not in self._dead and node.name not in open_nodes:
                open_nodes.add(node.name)
                inputs = map(node_of, node.inputs)  # Those open already are a loop's way back: alive.
                pending.extend([p for p in inputs if p not in self._dead and p not in open_nodes])
                continue
            pending.pop()
            if node.name not in self._dead:
                dead = [self._dead.get(node_of(t), False) or self._not_taken(t) for t in node.inputs]
                self._dead[node.name] = bool(dead) and (all(dead) if node.op in _MERGES else any(dead))
        return self._dead[name]

    def _not_taken(self, tensor: str) -> bool:
        """Whether a tensor is the output of a Switch that gets nothing."""
        producer = self.flat[node_of(tensor)]
        if producer.op not in _SWITCHES or tensor.startswith("^"):
            return False
        taken = self.condition(producer, 1)
        return taken != bool(split_tensor(tensor)[1])

    def condition(self, node: Node, index: int) -> bool:
        """The value of a condition that is an input of a node.

        Raises:
            FreezeError: UNSUPPORTED_INITIALIZER.

        """
        try:
            return bool(self._small(node.inputs[index], (node.name,)).values[0])
        except (ValueError, IndexError) as error:
            raise _unsupported(node, (node.name,), error) from None

    def _computed(self, node: Node, index: int, way: tuple[str, ...]) -> TensorValue:
        if len(way) > MAX_DEPTH:
            raise ValueError("it is computed in too many steps")
        asset = self.assets.get(f"{node.name}:{index}")
        if asset is not None:
            return to_value(SmallTensor(dtypes.STRING, (), (f"assets/{asset}".encode(),)))
        if node.op == "Const":
            return _constant(node)
        role = ROLES.get(node.op)
        if role in (Role.READ, Role.REF):
            key = self._variable_key(node.inputs[0] if role is Role.READ else node.name)
            return self.variable(key, node.name)
        if role is Role.IS_SET:
            return to_value(SmallTensor(BOOL, (), (self.is_set(self._variable_key(node.inputs[0])),)))
        return self._from_inputs(node, index, way)

    def _from_inputs(self, node: Node, index: int, way: tuple[str, ...]) -> TensorValue:
        inputs = data_inputs(node)
        if node.op in _SAME:
            return self.value(inputs[0], way)
        if node.op in _MERGES and index == 0:
            alive = [i for i in inputs if not (self.is_dead(node_of(i)) or self._not_taken(i))]
            if len(alive) == 1:
                return self.value(alive[0], way)
        if node.op in ("ZerosLike", "OnesLike"):
            return self._filled(self.value(inputs[0], way), node.op == "OnesLike")
        return to_value(self._arithmetic(node, inputs, way))

    def _arithmetic(self, node: Node, inputs: list[str], way: tuple[str, ...]) -> SmallTensor:
        if node.op in _ELEMENTWISE:
            parts = [self._small(i, way) for i in inputs]
            return elementwise(_ELEMENTWISE[node.op], parts[0].dtype, parts, self.budget)
        if node.op == "Fill":
            dims, filling = self._small(inputs[0], way), self._small(inputs[1], way)
            shape = tuple([int(dim) for dim in dims.all_values(self.budget)])
            if min(shape, default=0) < 0:
                raise ValueError("a size is negative")
            return SmallTensor(filling.dtype, shape, filling.values[:1])
        if node.op in _RESHAPES:
            return self._reshaped(node, inputs, way)
        if node.op == "Cast":
            dtype = dtypes.base(node.proto.attr["DstT"].type) if "DstT" in node.proto.attr else 0
            return elementwise(lambda x: x, dtype, [self._small(inputs[0], way)], self.budget)
        if node.op == "Shape":
            shape = self.value(inputs[0], way).shape
            dtype = node.proto.attr["out_type"].type if "out_type" in node.proto.attr else 3
            return SmallTensor(dtype, (len(shape),), shape)
        if node.op == "Pack" and inputs:
            return self._packed([self._small(i, way) for i in inputs])
        raise ValueError("this op is not computed here")

    def _reshaped(self, node: Node, inputs: list[str], way: tuple[str, ...]) -> SmallTensor:
        whole = self._small(inputs[0], way)
        if node.op == "Squeeze":
            shape = [size for size in whole.shape if size != 1]
            if "squeeze_dims" in node.proto.attr and node.proto.attr["squeeze_dims"].list.i:
                raise ValueError("squeezing some dimensions only is not computed here")
            return replace(whole, shape=tuple(shape))
        wanted = [int(size) for size in self._small(inputs[1], way).all_values(self.budget)]
        if node.op == "ExpandDims":
            at = wanted[0] if wanted[0] >= 0 else wanted[0] + len(whole.shape) + 1
            return replace(whole, shape=(*whole.shape[:at], 1, *whole.shape[at:]))
        result = replace(whole, shape=tuple(wanted))
        if -1 in wanted:
            known = -result.elements
            open_size = whole.elements // known if known > 0 else 0
            result = replace(whole, shape=tuple([open_size if size == -1 else size for size in wanted]))
        if min(result.shape, default=0) < 0 or result.elements != whole.elements:
            raise ValueError("the sizes do not fit")
        return result

    def _packed(self, parts: list[SmallTensor]) -> SmallTensor:
        if len({(part.dtype, part.shape) for part in parts}) > 1:
            raise ValueError("what it packs differs in type or shape")
        values = tuple([value for part in parts for value in part.all_values(self.budget)])
        return SmallTensor(parts[0].dtype, (len(parts), *parts[0].shape), values)

    def _filled(self, like: TensorValue, one: bool) -> TensorValue:
        return to_value(SmallTensor(like.dtype, like.shape, (cast(like.dtype, int(one)),)))

    def _small(self, tensor: str, way: tuple[str, ...]) -> SmallTensor:
        value = self.value(tensor, way)
        if not isinstance(value.data, TensorProto):
            raise ValueError("arithmetic on the weights of a checkpoint is not done here")  # noqa: TRY004
        if not has_numbers(value.dtype):
            raise ValueError(f"arithmetic on {dtypes.name_of(value.dtype)} is not done here")
        return read_small(value.data, node_of(tensor), self.budget)

    def _variable_key(self, handle: str) -> VariableKey:
        if not self._variables:
            self._variables.append(Variables(self.flat))
        key = self._variables[0].of(handle)
        if key is None:
            raise ValueError("what it reads is no variable")
        return key


def _constant(node: Node) -> TensorValue:
    if node.value is not None:
        return node.value
    attr = node.proto.attr.get("value")
    if attr is None:
        raise ValueError("it has no value")
    return TensorValue(attr.tensor.dtype, checked_shape(attr.tensor, node.name), attr.tensor)


def with_shape(value: TensorValue, shape: tuple[int, ...]) -> TensorValue:
    """The same elements in another shape."""
    if not isinstance(value.data, TensorProto):
        return replace(value, shape=shape)
    proto = TensorProto()
    proto.CopyFrom(value.data)
    proto.tensor_shape.CopyFrom(shape_proto(shape))
    return TensorValue(value.dtype, shape, proto)


def _unsupported(node: Node, way: tuple[str, ...], error: Exception) -> FreezeError:
    why = "which lacks an input" if isinstance(error, IndexError) else str(error)
    shown = " ← ".join(map(repr, way if len(way) <= 10 else (*way[:5], "…", *way[-4:])))
    return FreezeError(
        Reason.UNSUPPORTED_INITIALIZER,
        f"A variable is set after the restore by a computation that cannot be read as data: the node {node.name!r} "
        f"(op {node.op!r}), {why}. The way to it: {shown}. Save a checkpoint that holds the variable and do without "
        "the initializer, or leave the variable as it is with --deny.",
        subject=node.name,
    )
