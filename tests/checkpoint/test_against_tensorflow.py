"""Checkpoints that TensorFlow wrote, read without it and compared with what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkpoint.bundle_writer import read
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.checkpoint.region import parse_shape_and_slice
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors import dtypes

tf = pytest.importorskip("tensorflow")
np = pytest.importorskip("numpy")
pytestmark = pytest.mark.tensorflow

V1_DTYPES = [1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 17, 18, 19]
"""What TensorFlow saves in V1."""

NO_NUMBERS = (7, 20, 21)


def numbers_of(dtype: int, shape: tuple[int, ...] = (3, 4)) -> Any:
    """A tensor of a type with bytes of all values: its bits are counted up, masked to what the type holds."""
    kind = tf.dtypes.as_dtype(dtype)
    size_bytes = dtypes.size_bytes_of(dtype)
    masks = {"bool": 1, "int2": 1, "uint2": 3, "int4": 7, "uint4": 15, "float4_e2m1fn": 15}
    raw = np.arange(int(np.prod(shape)) * size_bytes, dtype=np.uint8) * 37 & masks.get(kind.name, 255)
    value = raw.view(kind.as_numpy_dtype).reshape(shape) if not kind.is_quantized else None
    if value is None:
        plain = {1: tf.uint8, 2: tf.uint16, 4: tf.int32}[size_bytes]
        return tf.bitcast(tf.constant(raw.view(plain.as_numpy_dtype).reshape(shape)), kind)
    return tf.constant(value, dtype=kind)


def same_as_tensorflow(checkpoint: Checkpoint, location: str) -> int:
    """Compare every key, type, shape and value; give how many keys there are."""
    reader = tf.train.load_checkpoint(location)
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map()
    entries = checkpoint.entries
    assert sorted(types) == sorted(entries)
    assert {key: (types[key].as_datatype_enum, tuple(shapes[key])) for key in types} == {
        key: (entry.dtype, entry.shape) for key, entry in entries.items()
    }
    for key in types:
        expected = reader.get_tensor(key)
        if types[key] == tf.string:
            strings = [expected] if isinstance(expected, bytes) else list(np.ravel(expected))
            assert strings == read(checkpoint, key)
        else:
            assert np.asarray(expected).tobytes() == read(checkpoint, key)
    return len(types)


@pytest.mark.parametrize("dtype", [n for n in range(1, 34) if n not in NO_NUMBERS], ids=dtypes.name_of)
def test_each_type_of_number(tmp_path: Path, dtype: int) -> None:
    """A bundle holds the bytes of the tensor, the types below a byte one element to a byte."""
    value = numbers_of(dtype)
    prefix = str(tmp_path / "m")
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=["k"], shape_and_slices=[""], tensors=[value])
    checkpoint = open_checkpoint(tmp_path / "m")
    entry = checkpoint.entries["k"]
    assert (dtype, (3, 4), 12 * dtypes.size_bytes_of(dtype)) == (entry.dtype, entry.shape, entry.size_bytes)
    restored = tf.raw_ops.RestoreV2(
        prefix=prefix, tensor_names=["k"], shape_and_slices=[""], dtypes=[value.dtype]
    )
    assert restored[0].numpy().tobytes() == read(checkpoint, "k")


@pytest.mark.parametrize("dtype", V1_DTYPES, ids=dtypes.name_of)
def test_each_type_of_number_in_v1(tmp_path: Path, dtype: int) -> None:
    """The lists of a V1 value decode to the same bytes as a V2 bundle holds."""
    value = numbers_of(dtype)
    tf.raw_ops.Save(filename=str(tmp_path / "v1"), tensor_names=["k"], data=[value])
    tf.raw_ops.SaveV2(prefix=str(tmp_path / "v2"), tensor_names=["k"], shape_and_slices=[""], tensors=[value])
    v1, v2 = open_checkpoint(tmp_path / "v1"), open_checkpoint(tmp_path / "v2")
    assert ("v1", "v2") == (v1.kind, v2.kind)
    assert v2.entries["k"].size_bytes == v1.entries["k"].size_bytes
    assert read(v2, "k") == read(v1, "k")


def test_strings_scalars_and_empty_tensors(tmp_path: Path) -> None:
    """In both formats, from nothing to a string longer than a varint's first two bytes."""
    values = {
        "empty": tf.zeros([0, 3]),
        "no_strings": tf.constant([], tf.string),
        "scalar": tf.constant(2.5),
        "string": tf.constant(b"one"),
        "strings": tf.constant([[b"", b"\xff\0"], [b"x" * 20_000, b"y"]]),
    }
    names, tensors = list(values), list(values.values())
    tf.raw_ops.Save(filename=str(tmp_path / "v1"), tensor_names=names, data=tensors)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "v2"), tensor_names=names, shape_and_slices=[""] * len(names), tensors=tensors
    )
    assert len(names) == same_as_tensorflow(open_checkpoint(tmp_path / "v2"), str(tmp_path / "v2"))
    v1, v2 = open_checkpoint(tmp_path / "v1"), open_checkpoint(tmp_path / "v2")
    assert {name: read(v2, name) for name in names} == {name: read(v1, name) for name in names}


@pytest.mark.parametrize(
    "parts",
    [
        ["0,2:-", "2,5:-"],
        ["-:0,1", "-:1,3", "-:4,1"],
        ["0,3:0,2", "0,3:2,3", "3,4:0,2", "3,4:2,3"],
        ["0,7:0,5"],
        ["-:-"],
        [""],
    ],
)
@pytest.mark.parametrize("kind", ["v1", "v2"])
@pytest.mark.parametrize("name", ["w", "scope/w:0\u00e9"])
def test_parts_and_boxes_as_restore_ops_ask_for_them(
    tmp_path: Path, parts: list[str], kind: str, name: str
) -> None:
    """Whole from parts, parts from a whole, boxes across parts: the bytes that RestoreV2 gives."""
    whole = np.arange(35, dtype=np.float32).reshape(7, 5)
    specs = [f"7 5 {part}" if part else "" for part in parts]
    boxes = [parse_shape_and_slice(spec) for spec in specs]
    values = [whole if box is None else whole[tuple(map(slice, box[1].starts, box[1].ends))] for box in boxes]
    location = str(tmp_path / "m")
    names = [name] * len(parts)
    if kind == "v2":
        tf.raw_ops.SaveV2(prefix=location, tensor_names=names, shape_and_slices=specs, tensors=values)
    else:
        tf.raw_ops.SaveSlices(
            filename=location,
            tensor_names=names,
            shapes_and_slices=specs,
            data=[tf.constant(v) for v in values],
        )
    checkpoint = open_checkpoint(tmp_path / "m")
    assert kind == checkpoint.kind
    for wanted in ["", "7 5 -:-", "7 5 0,1:-", "7 5 1,4:-", "7 5 -:1,3", "7 5 2,3:1,4", "7 5 6,1:4,1"]:
        asked = parse_shape_and_slice(wanted)
        box = None if asked is None else asked[1]
        restored = tf.raw_ops.RestoreV2(
            prefix=location, tensor_names=[name], shape_and_slices=[wanted], dtypes=[tf.float32]
        )
        assert restored[0].numpy().tobytes() == read(checkpoint, name, box)


@pytest.mark.parametrize("write_version", [1, 2])
@pytest.mark.parametrize("sharded", [False, True])
def test_savers_of_partitioned_variables(tmp_path: Path, write_version: int, sharded: bool) -> None:
    """tf.compat.v1.train.Saver, V1 and V2, one file and one for each device."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": 2})) as session:
        with v1.variable_scope("s", use_resource=False):
            with tf.device("/cpu:0"):
                rows = v1.get_variable(
                    "rows",
                    [10, 4],
                    initializer=v1.random_normal_initializer(),
                    partitioner=v1.fixed_size_partitioner(3),
                )
                v1.get_variable("step", [], tf.int64, initializer=v1.constant_initializer(7))
            with tf.device("/cpu:1"):
                columns = v1.get_variable(
                    "columns",
                    [3, 9],
                    initializer=v1.random_normal_initializer(),
                    partitioner=v1.fixed_size_partitioner(2, axis=1),
                )
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(sharded=sharded, write_version=write_version)
        saved = saver.save(session, str(tmp_path / "m.ckpt"), global_step=5)
        expected = session.run(
            {"s/rows": tf.convert_to_tensor(rows), "s/columns": tf.convert_to_tensor(columns)}
        )
    for location in (Path(saved), tmp_path, tmp_path / "m.ckpt-5"):
        checkpoint = open_checkpoint(location)
        assert ["s/columns", "s/rows", "s/step"] == sorted(checkpoint.entries)
        assert {key: value.tobytes() for key, value in expected.items()} == {
            key: read(checkpoint, key) for key in expected
        }
        assert (True, 2 if sharded else 1) == (checkpoint.entries["s/rows"].sliced, len(checkpoint.files))


def test_the_object_graph_maps_variables_to_keys(tmp_path: Path) -> None:
    """A TF2 checkpoint tells which key belongs to which variable of the graph."""
    variable = tf.Variable([1.0, 2.0], name="weights")
    saved = tf.train.Checkpoint(model=tf.Module(), w=variable).write(str(tmp_path / "m"))
    checkpoint = open_checkpoint(Path(saved))
    graph = checkpoint.object_graph()
    assert graph is not None
    attributes = [attribute for node in graph.nodes for attribute in node.attributes]
    keys = {attribute.full_name: attribute.checkpoint_key for attribute in attributes}
    assert {"weights": "w/.ATTRIBUTES/VARIABLE_VALUE"} == {
        name: key for name, key in keys.items() if name == "weights"
    }
    assert variable.numpy().tobytes() == read(checkpoint, keys["weights"])


def test_a_variant_is_listed_and_refused(tmp_path: Path) -> None:
    """A tensor list has a value only inside TensorFlow."""
    handle = tf.raw_ops.TensorListReserve(element_shape=[2], num_elements=1, element_dtype=tf.float32)
    handle = tf.raw_ops.TensorListSetItem(input_handle=handle, index=0, item=[1.0, 2.0])
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "m"),
        tensor_names=["l", "x"],
        shape_and_slices=["", ""],
        tensors=[handle, [1.0]],
    )
    checkpoint = open_checkpoint(tmp_path / "m")
    assert "variant" == dtypes.name_of(checkpoint.entries["l"].dtype)
    assert np.float32(1.0).tobytes() == read(checkpoint, "x")
    with pytest.raises(FreezeError) as caught:
        checkpoint.value("l")
    assert Reason.UNSUPPORTED_DTYPE == caught.value.reason


def test_every_checkpoint_of_real_models(models_dir: Path) -> None:
    """Keys, types, shapes and values of all of them, from 2016 to now, V1 and V2."""
    indexes = sorted(models_dir.rglob("*.index"))
    v1 = [
        models_dir / "tf1hist_half_plus_two_sharded_V1ckpt/variables/variables",
        models_dir / "tf1hist_tfprof_V1ckpt/ckpt",
    ]
    locations = {index: str(index.with_suffix("")) for index in indexes}
    locations |= {v1[0]: f"{v1[0]}-?????-of-00001", v1[1]: str(v1[1])}
    keys = [same_as_tensorflow(open_checkpoint(path), location) for path, location in locations.items()]
    assert len(keys) >= 50
    assert all(keys)
    assert {"v1"} == {open_checkpoint(path).kind for path in v1}
