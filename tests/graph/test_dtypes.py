"""The table of element types against TensorFlow's own."""

from __future__ import annotations

import re

import pytest

from tffreeze_server.tensors import dtypes
from tffreeze_server.tfproto.tensor_pb2 import DataType


@pytest.mark.tensorflow
def test_every_type_has_tensorflows_number_name_and_size() -> None:
    """Each type, and its ref type, is called and measured as TensorFlow does; none is missing."""
    tf = pytest.importorskip("tensorflow")
    types_pb2 = pytest.importorskip("tensorflow.core.framework.types_pb2")
    numbers = [number for number in types_pb2.DataType.values() if number]
    theirs = [(n, tf.dtypes.as_dtype(n).name, tf.dtypes.as_dtype(n).size) for n in numbers]
    assert theirs == [(n, dtypes.name_of(n), dtypes.size_bytes_of(n)) for n in numbers]
    assert [tf.dtypes.as_dtype(n).base_dtype.as_datatype_enum for n in numbers] == [
        dtypes.base(n) for n in numbers
    ]


def test_what_is_no_type_has_no_name_and_no_size() -> None:
    """An unknown number is named as a number."""
    assert dtypes.name_of(99) == "dtype 99"
    assert dtypes.size_bytes_of(99) == 0
    assert not dtypes.is_known(0)


def test_names_and_numbers_are_those_of_the_messages() -> None:
    """Without TensorFlow, too: DT_QINT16 is 15 and `qint16`; a type's bits are its bytes."""
    other = {"half": "float16", "float": "float32", "double": "float64"}
    theirs = {number: name[3:].lower() for name, number in DataType.items() if 0 < number < dtypes.REF_OFFSET}
    assert {n: other.get(name, name) for n, name in theirs.items()} == {n: dtypes.name_of(n) for n in theirs}
    for number in theirs:
        bits = re.fullmatch(r"[a-z]+(\d+)(_.*)?", dtypes.name_of(number))
        if bits:
            assert max(int(bits[1]) // 8, 1) == dtypes.size_bytes_of(number)
