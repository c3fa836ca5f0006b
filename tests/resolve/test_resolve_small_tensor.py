"""Small constants are read, computed with and written as TensorFlow does."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolve.support import array, np, tf
from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.resolve.small_tensor import SmallTensor, cast, elementwise, read_small, to_value
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

pytestmark = pytest.mark.tensorflow
NUMBERS = [
    "float32",
    "float64",
    "int32",
    "uint8",
    "int16",
    "int8",
    "int64",
    "bool",
    "uint16",
    "uint32",
    "uint64",
]


def proto_of(value: Any, shape: tuple[int, ...] | None = None) -> TensorProto:
    """TensorFlow's TensorProto of a value, as our message."""
    return TensorProto.FromString(tf.make_tensor_proto(value, shape=shape).SerializeToString())


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("value", [[], 3, [1, 0, 2], [[1, 2], [3, 4]]])
def test_values_of_every_type(dtype: str, value: Any) -> None:
    """What TensorFlow writes is read, and what is written TensorFlow reads."""
    expected = np.array(value, dtype)
    small = read_small(proto_of(expected), "c", Budget())
    assert expected.reshape(-1).tolist() == list(small.all_values(Budget()))
    assert expected.shape == small.shape
    np.testing.assert_array_equal(expected, array(to_value(small), {}), strict=True)


def test_one_value_stands_for_all() -> None:
    """A proto with one value for many elements stays one value, both ways."""
    small = read_small(proto_of(np.float32(0.5), (1000, 1000)), "c", Budget())
    assert (0.5,) == small.values
    assert to_value(small).data.ByteSize() < 100  # type: ignore[union-attr]
    assert (1000, 1000) == array(to_value(small), {}).shape


def test_the_last_value_stands_for_the_rest() -> None:
    """A proto with fewer values than elements is filled up with the last."""
    proto = proto_of(np.float32([1, 2]))
    proto.ClearField("tensor_content")
    proto.float_val[:] = [1, 2]
    proto.tensor_shape.dim[0].size = 4
    assert (1, 2, 2, 2) == read_small(proto, "c", Budget()).values


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda p: p.tensor_shape.dim.add(size=-1), Reason.MALFORMED_MODEL),
        (lambda p: p.tensor_shape.dim.add(size=2), Reason.MALFORMED_MODEL),
        (lambda p: p.tensor_shape.dim.add(size=1 << 62), Reason.MALFORMED_MODEL),
        (lambda p: setattr(p, "tensor_content", b"abc"), Reason.MALFORMED_MODEL),
        (lambda p: setattr(p.tensor_shape, "unknown_rank", True), Reason.MALFORMED_MODEL),
        (
            lambda p: (
                p.ClearField("tensor_content"),
                p.float_val.extend([1, 2]),
                p.tensor_shape.dim.add(size=1 << 30),
            ),
            Reason.MODEL_TOO_COMPLEX,
        ),
        (lambda p: (p.ClearField("tensor_content"), p.float_val.extend([1] * 9)), Reason.MALFORMED_MODEL),
    ],
)
def test_values_that_do_not_fit(change: Any, reason: Reason) -> None:
    """Shapes without sizes, contents of another size, more values than elements: errors, and no memory."""
    proto = proto_of(np.float32([1, 2]))
    change(proto)
    with pytest.raises(FreezeError) as caught:
        read_small(proto, "c", Budget())
    assert reason == caught.value.reason


@given(st.integers(-(2**70), 2**70), st.sampled_from(["int8", "uint8", "int32", "uint32", "int64", "uint64"]))
def test_integers_wrap(value: int, dtype: str) -> None:
    """An integer out of range wraps around, as in C."""
    number = tf.as_dtype(dtype).as_datatype_enum
    bits = np.dtype(dtype).itemsize * 8
    expected = np.array(value % 2**bits, f"uint{bits}").astype(dtype)
    assert int(expected) == cast(number, value)


@given(st.floats(width=32), st.floats(width=32), st.sampled_from([operator.add, operator.mul, operator.sub]))
def test_float_arithmetic_is_rounded(a: float, b: float, operation: Any) -> None:
    """float32 arithmetic gives the float32 that numpy gives."""
    with np.errstate(all="ignore"):
        expected = operation(np.float32(a), np.float32(b))
    small = elementwise(operation, 1, [SmallTensor(1, (), (a,)), SmallTensor(1, (), (b,))], Budget())
    np.testing.assert_array_equal(expected, np.float32(small.values[0]))


def test_shapes_that_differ_are_not_guessed() -> None:
    """Tensors of two shapes are not computed with, scalars aside."""
    with pytest.raises(ValueError, match="shapes differ"):
        elementwise(
            operator.add, 1, [SmallTensor(1, (2,), (1.0, 2.0)), SmallTensor(1, (1,), (1.0,))], Budget()
        )
    mixed = elementwise(
        operator.add, 1, [SmallTensor(1, (2,), (1.0, 2.0)), SmallTensor(1, (), (1.0,))], Budget()
    )
    assert (2.0, 3.0) == mixed.values


def test_a_value_is_what_it_says() -> None:
    """`to_value` states dtype and shape beside the message."""
    value = to_value(SmallTensor(7, (2,), (b"a", b"b")))
    assert TensorValue(7, (2,), value.data) == value
    assert [b"a", b"b"] == array(value, {}).tolist()
