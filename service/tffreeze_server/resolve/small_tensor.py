"""Small tensors as Python numbers, to work with the constants of restore and initializer subgraphs.

A TensorProto may state fewer values than it has elements: the last one stands for the rest
(tensorflow/core/framework/tensor.cc, FromProtoField). So a variable of a hundred million zeros is one value.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import read_shape, shape_proto
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.tensors import dtypes
from tffreeze_server.tfproto.tensor_pb2 import (
    DT_BOOL,
    DT_DOUBLE,
    DT_FLOAT,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_UINT8,
    DT_UINT16,
    DT_UINT32,
    DT_UINT64,
    TensorProto,
)

Value = float | int | bool | bytes

# What an element costs as a Python number and in a message, in steps and bytes of a budget.
_ELEMENT_STEPS, _ELEMENT_BYTES = 1, 60

_MAX_EXACT_INT = 1 << 53
"""A larger integer would be rounded twice on its way to a float32."""

# By DataType: the letter of `struct`, and the field of TensorProto that holds its values.
_FORMATS: dict[int, tuple[str, str]] = {
    DT_FLOAT: ("f", "float_val"),
    DT_DOUBLE: ("d", "double_val"),
    DT_INT32: ("i", "int_val"),
    DT_UINT8: ("B", "int_val"),
    DT_INT16: ("h", "int_val"),
    DT_INT8: ("b", "int_val"),
    DT_INT64: ("q", "int64_val"),
    DT_BOOL: ("?", "bool_val"),
    DT_UINT16: ("H", "int_val"),
    DT_UINT32: ("I", "uint32_val"),
    DT_UINT64: ("Q", "uint64_val"),
}
_FLOATS = frozenset((DT_FLOAT, DT_DOUBLE))


@dataclass(frozen=True, slots=True)
class SmallTensor:
    """A tensor as numbers or byte strings.

    Attributes:
        dtype: The number of a `DataType`.
        shape: Sizes.
        values: One for each element, in order; or a single one for all of them.

    """

    dtype: int
    shape: tuple[int, ...]
    values: tuple[Value, ...]

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    def all_values(self, budget: Budget) -> tuple[Value, ...]:
        """One value for each element.

        Raises:
            FreezeError: MODEL_TOO_COMPLEX.

        """
        _draw(budget, self.elements)
        return self.values if len(self.values) == self.elements else self.values[:1] * self.elements


def has_numbers(dtype: int) -> bool:
    """Whether tensors of this type can be read as a SmallTensor."""
    return dtype in _FORMATS or dtype == dtypes.STRING


def read_small(proto: TensorProto, name: str, budget: Budget) -> SmallTensor:
    """The values of a TensorProto.

    Args:
        proto: Of a type that `has_numbers`.
        name: Of the node that holds it, for messages.
        budget: What its elements are drawn from.

    Raises:
        FreezeError: MALFORMED_MODEL where values and shape do not fit; MODEL_TOO_COMPLEX.

    """
    shape = checked_shape(proto, name)
    elements = math.prod(shape)
    if proto.tensor_content:
        _draw(budget, elements)
        return SmallTensor(proto.dtype, shape, _unpacked(proto, elements))
    _draw(budget, len(getattr(proto, _field(proto.dtype))))
    values: tuple[Value, ...] = tuple(getattr(proto, _field(proto.dtype)))
    if len(values) > max(elements, 1):
        raise _malformed(name, f"has {len(values)} values for {elements} elements")
    if not values:
        values = (b"" if proto.dtype == dtypes.STRING else cast(proto.dtype, 0),)
    if 1 < len(values) < elements:
        _draw(budget, elements)
        values += values[-1:] * (elements - len(values))
    return SmallTensor(proto.dtype, shape, values)


def checked_shape(proto: TensorProto, name: str) -> tuple[int, ...]:
    """The shape of a TensorProto of any type, once its content has the size of it.

    Raises:
        FreezeError: MALFORMED_MODEL.

    """
    shape = read_shape(proto.tensor_shape, name)
    if shape is None or min(shape, default=0) < 0:
        raise _malformed(name, "has no shape")
    if not dtypes.can_be_constant(proto.dtype, shape):
        raise _malformed(name, f"has the shape {list(shape)}, which is larger than any memory")
    size_bytes = math.prod(shape) * dtypes.size_bytes_of(proto.dtype)
    if proto.tensor_content and len(proto.tensor_content) != size_bytes:
        raise _malformed(name, f"has {len(proto.tensor_content)} bytes where its shape asks for {size_bytes}")
    return shape


def to_value(tensor: SmallTensor) -> TensorValue:
    """The tensor as a value of a constant.

    Raises:
        ValueError: It is larger than any memory.

    """
    if not dtypes.can_be_constant(tensor.dtype, tensor.shape):
        raise ValueError(f"its shape {list(tensor.shape)} is larger than any memory")
    proto = TensorProto(dtype=tensor.dtype, tensor_shape=shape_proto(tensor.shape))  # type: ignore[arg-type]
    if tensor.elements:
        getattr(proto, _field(tensor.dtype)).extend(tensor.values)
    return TensorValue(tensor.dtype, tensor.shape, proto)


def cast(dtype: int, value: Value) -> Value:
    """A number as an element of a type: floats rounded, integers wrapped around.

    Raises:
        ValueError: There is no such element, or the type has no numbers.

    """
    if isinstance(value, bytes) or dtype not in _FORMATS:
        raise ValueError(f"arithmetic on {dtypes.name_of(dtype)} is not done here")
    letter = _FORMATS[dtype][0]
    if dtype == DT_BOOL:
        return bool(value)
    if dtype in _FLOATS:
        if isinstance(value, int) and abs(value) > _MAX_EXACT_INT:
            raise ValueError("the integer is too large to be rounded here")
        try:
            rounded: float = struct.unpack(f"<{letter}", struct.pack(f"<{letter}", value))[0]
        except OverflowError:
            return math.copysign(math.inf, value)
        return rounded
    bits = 8 * struct.calcsize(f"<{letter}")
    wrapped = int(value) & ((1 << bits) - 1)
    signed = wrapped - (1 << bits) if letter.islower() and wrapped >> (bits - 1) else wrapped
    if isinstance(value, float) and signed != int(value):
        # Integers wrap around; what becomes of such a float depends on the processor.
        raise ValueError(f"{value} is no {dtypes.name_of(dtype)}")
    return signed


def maximum(x: Value, y: Value) -> Value:
    """The larger one; NaN where one is NaN, as in TensorFlow."""
    return x if _is_nan(x) else max(y, x)


def minimum(x: Value, y: Value) -> Value:
    """The smaller one; NaN where one is NaN, as in TensorFlow."""
    return x if _is_nan(x) else min(y, x)


def floor_div(x: Value, y: Value) -> Value:
    """The quotient of integers, rounded down.

    Raises:
        ValueError: They are floats: TensorFlow rounds their quotient before it takes the floor of it.

    """
    if isinstance(x, float) or isinstance(y, float):
        raise ValueError("the floor of a quotient of floats is not computed here")  # noqa: TRY004
    return x // y  # type: ignore[operator]  # a TypeError where they are strings


def _is_nan(x: Value) -> bool:
    return isinstance(x, float) and math.isnan(x)


def elementwise(
    operation: Callable[..., Value], dtype: int, inputs: Sequence[SmallTensor], budget: Budget
) -> SmallTensor:
    """Apply an operation to each element, of tensors of one shape or of a tensor and scalars.

    Raises:
        ValueError: The shapes differ, or an element has no result.
        FreezeError: MODEL_TOO_COMPLEX.

    """
    shapes = {tensor.shape for tensor in inputs if tensor.shape}
    if len(shapes) > 1:
        raise ValueError("the shapes differ")
    shape = shapes.pop() if shapes else ()
    if all(len(tensor.values) == 1 for tensor in inputs):
        columns = [tensor.values for tensor in inputs]
    else:
        columns = [SmallTensor(t.dtype, shape, t.values).all_values(budget) for t in inputs]
    try:
        values = tuple([cast(dtype, operation(*row)) for row in zip(*columns, strict=True)])
    except (ArithmeticError, TypeError):
        raise ValueError("an element has no result") from None
    return SmallTensor(dtype, shape, values)


def _field(dtype: int) -> str:
    return "string_val" if dtype == dtypes.STRING else _FORMATS[dtype][1]


def _unpacked(proto: TensorProto, elements: int) -> tuple[Value, ...]:
    return struct.unpack(f"<{elements}{_FORMATS[proto.dtype][0]}", proto.tensor_content)


def _draw(budget: Budget, elements: int) -> None:
    budget.draw("the tensors that variables are set to", _ELEMENT_STEPS * elements, _ELEMENT_BYTES * elements)


def _malformed(name: str, why: str) -> FreezeError:
    return FreezeError(Reason.MALFORMED_MODEL, f"The constant {name!r} {why}.", subject=name)
