"""Partitioned variables: whole tensors from slices, slices from whole tensors, slices from other slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.harness import assert_same, freeze_file, np, run, tf, tf1
from tffreeze_server.options import FreezeOptions, ModelSource

pytestmark = pytest.mark.tensorflow
VALUES = {
    "rows": np.arange(21, dtype=np.float32).reshape(7, 3),
    "columns": np.arange(24, dtype=np.float64).reshape(2, 3, 4) / 7,
    "words": np.array([b"", b"a", b"bc" * 200, b"\x00", b"e"], object),
    "flags": np.arange(10) % 3 == 0,
}


def variables(parts: int, *, use_resource: bool) -> dict[str, Any]:
    """A variable for each of VALUES, cut into `parts` along its first axis, `columns` along its last."""
    made = {}
    for name, value in VALUES.items():
        axis = value.ndim - 1 if name == "columns" else 0
        partitioner = tf1.fixed_size_partitioner(parts, axis=axis) if parts > 1 else None
        made[name] = tf1.get_variable(
            name,
            value.shape,
            tf.string if value.dtype == object else value.dtype,
            initializer=lambda shape, dtype, partition_info, value=value: tf.constant(
                value if partition_info is None else value[offsets(shape, partition_info)], dtype
            ),
            partitioner=partitioner,
            use_resource=use_resource and value.dtype != object,
        )
    return made


def offsets(shape: Any, info: Any) -> tuple[slice, ...]:
    """Where a part lies in the whole."""
    return tuple(slice(start, start + size) for start, size in zip(info.var_offset, shape, strict=True))


@pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])
@pytest.mark.parametrize("version", [tf1.train.SaverDef.V1, tf1.train.SaverDef.V2], ids=["V1", "V2"])
@pytest.mark.parametrize(("saved", "restored"), [(3, 1), (1, 3), (3, 3), (3, 2), (2, 1)])
def test_slices(saved: int, restored: int, version: Any, use_resource: bool, tmp_path: Path) -> None:
    """A graph restores its parts from a checkpoint that was cut otherwise, or not at all."""
    with tf.Graph().as_default(), tf1.Session() as session:
        parts = variables(saved, use_resource=use_resource)
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver(parts, write_version=version).save(session, str(tmp_path / "model"))
    with tf.Graph().as_default():
        parts = variables(restored, use_resource=use_resource)
        for name, variable in parts.items():
            tf.identity(tf.convert_to_tensor(variable), name=f"read_{name}")
        saver = tf1.train.Saver(parts, write_version=version)
        tf1.train.export_meta_graph(str(tmp_path / "other.meta"), saver_def=saver.as_saver_def())
    source = ModelSource(tmp_path / "other.meta", checkpoint=tmp_path / "model")
    options = FreezeOptions(output_nodes=tuple(f"read_{name}" for name in VALUES))
    frozen = freeze_file(source, tmp_path / "frozen.pb", options)
    assert_same({f"read_{name}:0": value for name, value in VALUES.items()}, run(frozen, {}))


def test_shards_of_a_saved_model(tmp_path: Path) -> None:
    """A SavedModel whose variables are cut into shards of 64 bytes: each is put together again."""
    module = tf.Module()
    module.w = tf.Variable(np.arange(60, dtype=np.float32).reshape(20, 3))
    module.b = tf.Variable(np.arange(3, dtype=np.float32))
    module.f = tf.function(lambda: {"y": module.w + module.b}, input_signature=[])
    options = tf.saved_model.SaveOptions(
        experimental_sharding_callback=tf.train.experimental.MaxShardSizePolicy(max_shard_size=64)
    )
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.f, options=options)
    assert 4 < len(list((tmp_path / "model" / "variables").glob("*.data-*")))
    frozen = freeze_file(tmp_path / "model", tmp_path / "frozen.pb")
    (value,) = run(frozen, {}).values()
    assert_same({"y": module.w.numpy() + module.b.numpy()}, {"y": value})
