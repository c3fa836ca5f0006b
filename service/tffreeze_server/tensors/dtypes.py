"""TensorFlow's element types: number, name and size of each, in one table.

Numbers and names are those of `DataType` in tensorflow/core/framework/types.proto, with the names that
`tf.dtypes` gives them; sizes are those of `DataTypeSize` in tensorflow/core/framework/types.cc. The types
below one byte (int4, uint4, int2, uint2, float4_e2m1fn) take one byte an element, in memory as in files.
A ref type (the output type of the op `Variable`) has its base type's number plus 100.
"""

from __future__ import annotations

from collections.abc import Sequence

from tffreeze_server.tfproto.tensor_pb2 import (
    DT_BFLOAT16,
    DT_BOOL,
    DT_COMPLEX64,
    DT_COMPLEX128,
    DT_DOUBLE,
    DT_FLOAT,
    DT_FLOAT4_E2M1FN,
    DT_FLOAT8_E4M3B11FNUZ,
    DT_FLOAT8_E4M3FN,
    DT_FLOAT8_E4M3FNUZ,
    DT_FLOAT8_E5M2,
    DT_FLOAT8_E5M2FNUZ,
    DT_HALF,
    DT_INT2,
    DT_INT4,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_QINT8,
    DT_QINT16,
    DT_QINT32,
    DT_QUINT8,
    DT_QUINT16,
    DT_RESOURCE,
    DT_STRING,
    DT_UINT2,
    DT_UINT4,
    DT_UINT8,
    DT_UINT16,
    DT_UINT32,
    DT_UINT64,
    DT_VARIANT,
)

REF_OFFSET = 100
"""A ref type's number minus its base type's."""

STRING: int = DT_STRING
RESOURCE: int = DT_RESOURCE
VARIANT: int = DT_VARIANT

MAX_DIMENSIONS = 254
"""Of a TensorFlow shape (TensorShapeRep::MaxDimensions in core/framework/tensor_shape.h)."""
MAX_CONSTANT_BYTES = 1 << 40
"""Larger than any constant that a machine can load. A constant can be this large, because one value may stand for many
elements."""

_TABLE: tuple[tuple[int, str, int], ...] = (
    (DT_FLOAT, "float32", 4),
    (DT_DOUBLE, "float64", 8),
    (DT_INT32, "int32", 4),
    (DT_UINT8, "uint8", 1),
    (DT_INT16, "int16", 2),
    (DT_INT8, "int8", 1),
    (DT_STRING, "string", 0),
    (DT_COMPLEX64, "complex64", 8),
    (DT_INT64, "int64", 8),
    (DT_BOOL, "bool", 1),
    (DT_QINT8, "qint8", 1),
    (DT_QUINT8, "quint8", 1),
    (DT_QINT32, "qint32", 4),
    (DT_BFLOAT16, "bfloat16", 2),
    (DT_QINT16, "qint16", 2),
    (DT_QUINT16, "quint16", 2),
    (DT_UINT16, "uint16", 2),
    (DT_COMPLEX128, "complex128", 16),
    (DT_HALF, "float16", 2),
    (DT_RESOURCE, "resource", 0),
    (DT_VARIANT, "variant", 0),
    (DT_UINT32, "uint32", 4),
    (DT_UINT64, "uint64", 8),
    (DT_FLOAT8_E5M2, "float8_e5m2", 1),
    (DT_FLOAT8_E4M3FN, "float8_e4m3fn", 1),
    (DT_FLOAT8_E4M3FNUZ, "float8_e4m3fnuz", 1),
    (DT_FLOAT8_E4M3B11FNUZ, "float8_e4m3b11fnuz", 1),
    (DT_FLOAT8_E5M2FNUZ, "float8_e5m2fnuz", 1),
    (DT_INT4, "int4", 1),
    (DT_UINT4, "uint4", 1),
    (DT_INT2, "int2", 1),
    (DT_UINT2, "uint2", 1),
    (DT_FLOAT4_E2M1FN, "float4_e2m1fn", 1),
)

_NAMES = {number: name for number, name, _ in _TABLE}
_SIZES_BYTES = {number: size_bytes for number, _, size_bytes in _TABLE}


def base(dtype: int) -> int:
    """Strip the ref: the base type of a ref type; any other type unchanged."""
    return dtype - REF_OFFSET if dtype > REF_OFFSET else dtype


def is_ref(dtype: int) -> bool:
    """Whether this is a ref type."""
    return dtype > REF_OFFSET


def name_of(dtype: int) -> str:
    """Name a type as TensorFlow prints it: `float32`, `float32_ref`; `dtype 99` if unknown."""
    name = _NAMES.get(base(dtype))
    if name is None:
        return f"dtype {dtype}"
    return f"{name}_ref" if is_ref(dtype) else name


def is_known(dtype: int) -> bool:
    """Whether this is a type or ref type of TensorFlow."""
    return base(dtype) in _NAMES


def size_bytes_of(dtype: int) -> int:
    """Size of one element, also of a ref type; 0 if it varies (strings, resources) or is unknown."""
    return _SIZES_BYTES.get(base(dtype), 0)


def can_be_constant(dtype: int, shape: Sequence[int]) -> bool:
    """Whether a tensor can have this type and shape: all sizes are known, and it fits into a machine's memory.

    As in TensorShape, the other sizes must fit even if one is 0 (core/framework/tensor_shape.cc).
    """
    if len(shape) > MAX_DIMENSIONS or min(shape, default=0) < 0:
        return False
    size_bytes = max(size_bytes_of(dtype), 1)
    for size in shape:
        size_bytes *= max(size, 1)
        if size_bytes > MAX_CONSTANT_BYTES:
            return False
    return True
