"""The value of a tensor that an initializer computes, without running it.

Constants, paths of assets, values of variables, and plain arithmetic on small tensors are taken as data. All
else is an error that names the op and the way to it. Branches of `tf.cond` are followed where what they depend on
is known: TensorFlow 1 wraps initial values in one that asks whether another variable is initialised.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import shape_proto
from tffreeze_server.graph.node import Node, Nodes, TensorValue, node_of, split_tensor
from tffreeze_server.graph.ops import (
    DEFAULT_OPS,
    FOLDABLE_OPS,
    MERGE_OPS,
    RESHAPE_OPS,
    ROLES,
    SAME_VALUE_OPS,
    SWITCH_OPS,
    Role,
)
from tffreeze_server.graph.variables import variable_key
from tffreeze_server.resolve.small_tensor import (
    SmallTensor,
    Value,
    cast,
    checked_shape,
    elementwise,
    floor_div,
    has_numbers,
    maximum,
    minimum,
    read_small,
    to_value,
)
from tffreeze_server.resolve.trace import VariableKey, Variables, data_inputs
from tffreeze_server.tensors import dtypes
from tffreeze_server.tfproto.tensor_pb2 import DT_BOOL, DT_INT32, TensorProto

MAX_DEPTH = 100

_ELEMENTWISE: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "Add": operator.add,
        "AddV2": operator.add,
        "Sub": operator.sub,
        "Mul": operator.mul,
        "RealDiv": operator.truediv,
        "FloorDiv": floor_div,
        "Maximum": maximum,
        "Minimum": minimum,
        "Neg": operator.neg,
        "Square": lambda x: x * x,
        "LogicalNot": operator.not_,
        "LogicalAnd": lambda x, y: x and y,
        "LogicalOr": lambda x, y: x or y,
    }
)
_LIKE: Mapping[str, int] = MappingProxyType({"ZerosLike": 0, "OnesLike": 1})
"""What each gives a tensor of."""
_BUFFERS = frozenset({Role.REF, Role.REF_FORWARD})
"""Roles of ops whose outputs are buffers: what they hold depends on when they are read, and by which node."""
_SAME = SAME_VALUE_OPS | SWITCH_OPS | DEFAULT_OPS
"""Ops whose output, if they give it, is their first input."""


@dataclass(eq=False)
class Evaluator:
    """Evaluates tensors of one flat graph. Grows: it keeps each value that it has computed.

    Attributes:
        flat: The graph.
        assets: File name below `assets/` by tensor name.
        variable: The value of a variable as a given node reads it; raises FreezeError where it has none.
        is_set: Whether a variable has a value before the initializers run.
        budget: What elements are drawn from.

    """

    flat: Nodes
    assets: Mapping[str, str]
    variable: Callable[[VariableKey, str], TensorValue]
    is_set: Callable[[VariableKey], bool]
    budget: Budget
    _known: dict[str, TensorValue] = field(default_factory=dict)
    _dead: dict[str, bool] = field(default_factory=dict)

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
        if key in self._known:
            return self._known[key]
        way = (*way, name)
        try:
            value = self._computed(self.flat[name], index, way)
        except (ValueError, IndexError) as error:
            raise _unsupported(self.flat[name], way, error) from None
        if ROLES.get(self.flat[name].op) not in _BUFFERS:
            self._known[key] = value
        return value

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
                self._dead[node.name] = bool(dead) and (all(dead) if node.op in MERGE_OPS else any(dead))
        return self._dead[name]

    def _not_taken(self, tensor: str) -> bool:
        """Whether a tensor is the output of a Switch that gets nothing."""
        producer = self.flat[node_of(tensor)]
        if producer.op not in SWITCH_OPS or tensor.startswith("^"):
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
        if role is Role.READ:
            return self.variable(self._variable_key(node.inputs[0]), node.name)
        if role is Role.REF:
            return self.variable(variable_key(node), self._reader(way))
        if role is Role.IS_SET:
            return to_value(SmallTensor(DT_BOOL, (), (self.is_set(self._variable_key(node.inputs[0])),)))
        return self._from_inputs(node, index, way)

    def _reader(self, way: tuple[str, ...]) -> str:
        """The node that reads the buffer at the end of a way: the last one that does not just hand it on."""
        return next((n for n in reversed(way) if ROLES.get(self.flat[n].op) not in _BUFFERS), way[-1])

    def _from_inputs(self, node: Node, index: int, way: tuple[str, ...]) -> TensorValue:
        inputs = data_inputs(node)
        if node.op in _SAME:
            return self.value(inputs[0], way)
        if node.op in MERGE_OPS and index == 0:
            alive = [i for i in inputs if not (self.is_dead(node_of(i)) or self._not_taken(i))]
            if len(alive) == 1:
                return self.value(alive[0], way)
        if node.op not in FOLDABLE_OPS:
            raise ValueError("this op is not computed here")
        if node.op in _LIKE:
            return self._filled(self.value(inputs[0], way), _LIKE[node.op])
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
        if node.op in RESHAPE_OPS:
            return self._reshaped(node, inputs, way)
        if node.op == "Cast":
            if "Truncate" in node.proto.attr and node.proto.attr["Truncate"].b:
                raise ValueError("cutting off digits is not done here")
            dtype = dtypes.base(node.proto.attr["DstT"].type) if "DstT" in node.proto.attr else 0
            return elementwise(lambda x: x, dtype, [self._small(inputs[0], way)], self.budget)
        if node.op == "Shape":
            shape = self.value(inputs[0], way).shape
            dtype = node.proto.attr["out_type"].type if "out_type" in node.proto.attr else DT_INT32
            return SmallTensor(dtype, (len(shape),), shape)
        if node.op == "Pack" and inputs:
            axis = node.proto.attr["axis"].i if "axis" in node.proto.attr else 0
            return self._packed([self._small(i, way) for i in inputs], axis)
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

    def _packed(self, parts: list[SmallTensor], axis: int) -> SmallTensor:
        if axis not in (0, -1 - len(parts[0].shape)):
            raise ValueError("packing along any dimension but the first is not done here")
        if len({(part.dtype, part.shape) for part in parts}) > 1:
            raise ValueError("what it packs differs in type or shape")
        values = tuple([value for part in parts for value in part.all_values(self.budget)])
        return SmallTensor(parts[0].dtype, (len(parts), *parts[0].shape), values)

    def _filled(self, like: TensorValue, filling: int) -> TensorValue:
        return to_value(SmallTensor(like.dtype, like.shape, (cast(like.dtype, filling),)))

    def _small(self, tensor: str, way: tuple[str, ...]) -> SmallTensor:
        value = self.value(tensor, way)
        if not isinstance(value.data, TensorProto):
            raise ValueError("arithmetic on the weights of a checkpoint is not done here")  # noqa: TRY004
        if not has_numbers(value.dtype):
            raise ValueError(f"arithmetic on {dtypes.name_of(value.dtype)} is not done here")
        return read_small(value.data, node_of(tensor), self.budget)

    @cached_property
    def _variables(self) -> Variables:
        return Variables(self.flat)

    def _variable_key(self, handle: str) -> VariableKey:
        key = self._variables.of(handle)
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
