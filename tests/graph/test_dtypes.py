"""The table of element types against TensorFlow's own."""

from __future__ import annotations

import pytest

from tffreeze_server.tensors import dtypes


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
