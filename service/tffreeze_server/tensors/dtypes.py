"""TensorFlow's element types: number, name and size of each, in one table.

Numbers and names are those of `DataType` in tensorflow/core/framework/types.proto, with the names that
`tf.dtypes` gives them; sizes are those of `DataTypeSize` in tensorflow/core/framework/types.cc. The types
below one byte (int4, uint4, int2, uint2, float4_e2m1fn) take one byte an element, in memory as in files.
A ref type (the output type of the op `Variable`) has its base type's number plus 100.
"""

from __future__ import annotations

from collections.abc import Sequence

REF_OFFSET = 100
"""A ref type's number minus its base type's."""

STRING = 7
RESOURCE = 20
VARIANT = 21

MAX_DIMENSIONS = 254
"""Of a TensorFlow shape (TensorShapeRep::MaxDimensions in core/framework/tensor_shape.h)."""
MAX_CONSTANT_BYTES = 1 << 40
"""Larger than any constant that a machine can load. A constant can be this large, because one value may stand for many
elements."""

_TABLE: tuple[tuple[int, str, int], ...] = (
    (1, "float32", 4),
    (2, "float64", 8),
    (3, "int32", 4),
    (4, "uint8", 1),
    (5, "int16", 2),
    (6, "int8", 1),
    (STRING, "string", 0),
    (8, "complex64", 8),
    (9, "int64", 8),
    (10, "bool", 1),
    (11, "qint8", 1),
    (12, "quint8", 1),
    (13, "qint32", 4),
    (14, "bfloat16", 2),
    (15, "qint16", 2),
    (16, "quint16", 2),
    (17, "uint16", 2),
    (18, "complex128", 16),
    (19, "float16", 2),
    (RESOURCE, "resource", 0),
    (VARIANT, "variant", 0),
    (22, "uint32", 4),
    (23, "uint64", 8),
    (24, "float8_e5m2", 1),
    (25, "float8_e4m3fn", 1),
    (26, "float8_e4m3fnuz", 1),
    (27, "float8_e4m3b11fnuz", 1),
    (28, "float8_e5m2fnuz", 1),
    (29, "int4", 1),
    (30, "uint4", 1),
    (31, "int2", 1),
    (32, "uint2", 1),
    (33, "float4_e2m1fn", 1),
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
