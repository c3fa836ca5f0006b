"""Attribute values, shortly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from tffreeze_server.tfproto.attr_value_pb2 import AttrValue
from tffreeze_server.tfproto.tensor_pb2 import DataType, TensorProto, TensorShapeProto


def data_type(number: int) -> DataType:
    """A number as the stubs want it: the enum is open, any number may stand there."""
    return cast("DataType", number)


def type_attr(dtype: int) -> AttrValue:
    """A type, by the number of its `DataType`."""
    return AttrValue(type=data_type(dtype))


def types_attr(dtypes: Iterable[int]) -> AttrValue:
    """A list of types."""
    return AttrValue(list=AttrValue.ListValue(type=map(data_type, dtypes)))


def int_attr(number: int) -> AttrValue:
    """A whole number."""
    return AttrValue(i=number)


def shape_proto(shape: Sequence[int] | None) -> TensorShapeProto:
    """A shape; None is one of unknown rank, -1 an open size."""
    if shape is None:
        return TensorShapeProto(unknown_rank=True)
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])


def shape_attr(shape: Sequence[int] | None) -> AttrValue:
    """A shape."""
    return AttrValue(shape=shape_proto(shape))


def tensor_attr(tensor: TensorProto) -> AttrValue:
    """A tensor."""
    return AttrValue(tensor=tensor)


def read_shape(shape: TensorShapeProto) -> tuple[int, ...] | None:
    """The sizes of a shape, -1 where open; None where its rank is unknown."""
    return None if shape.unknown_rank else tuple([dim.size for dim in shape.dim])
