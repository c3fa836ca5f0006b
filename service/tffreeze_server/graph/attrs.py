"""Attribute values, shortly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors.dtypes import MAX_DIMENSIONS
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


def read_shape(shape: TensorShapeProto, owner: str) -> tuple[int, ...] | None:
    """The sizes of a shape of the model, -1 where open; None where its rank is unknown.

    Every shape of a graph is read here, and so none has more dimensions than can be worked with.

    Args:
        shape: As the model states it.
        owner: Whose shape it is, for the message.

    Raises:
        FreezeError: MALFORMED_MODEL where it has more dimensions than any of TensorFlow's.

    """
    if shape.unknown_rank:
        return None
    if len(shape.dim) > MAX_DIMENSIONS:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"A shape of {owner!r} has {len(shape.dim):,} dimensions, and TensorFlow's have at most {MAX_DIMENSIONS}. "
            "The model was edited: export it again.",
            subject=owner,
        )
    return tuple([dim.size for dim in shape.dim])
