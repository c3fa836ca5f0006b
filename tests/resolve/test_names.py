"""What names tell where no saver does, without TensorFlow."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from checkpoint.bundle_writer import Stored, data_file, strings_stored, write_bundle
from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.checkpoint.region import Region
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.variables import Variable
from tffreeze_server.resolve.by_name import Names
from tffreeze_server.resolve.object_paths import keys_by_name
from tffreeze_server.resolve.restore_ops import CheckpointTensor
from tffreeze_server.tfproto.object_graph_pb2 import SavedObjectGraph

WHOLE = Stored("v", 1, (2, 3), struct.pack("<6f", *range(6)))


def variable(name: str, *shape: int) -> Variable:
    """A ref variable of floats."""
    return Variable(name, "", (name,), "VariableV2", 1, shape)


def found_of(folder: Path, *parts: Variable) -> list[CheckpointTensor | None]:
    """What the parts of `v` are."""
    checkpoint = open_checkpoint(write_bundle(folder / "m", [WHOLE]))
    names = Names(checkpoint, None, {part.name: part for part in parts})
    return [found[0] if found else None for found in map(names.find, parts)]


def part(starts: tuple[int, ...], sizes: tuple[int, ...]) -> CheckpointTensor:
    """A slice of `v`."""
    return CheckpointTensor("v", Region(starts, sizes), (2, 3))


def test_parts_along_either_dimension(tmp_path: Path) -> None:
    """Parts that together are the whole are slices of it, in order."""
    rows = [variable("v/part_0", 1, 3), variable("v/part_1", 1, 3)]
    assert [part((0, 0), (1, 3)), part((1, 0), (1, 3))] == found_of(tmp_path, *rows)
    columns = [variable("v/part_0", 2, 1), variable("v/part_1", 2, 2)]
    assert [part((0, 0), (2, 1)), part((0, 1), (2, 2))] == found_of(tmp_path, *columns)


@pytest.mark.parametrize(
    "shapes", [[(1, 3)], [(1, 3), (1, 2)], [(2,), (2,)], [(1, 3), (1, 3), (1, 3)], [(2, 1), (1, 2)]]
)
def test_parts_that_are_not_the_whole(tmp_path: Path, shapes: list[tuple[int, ...]]) -> None:
    """Too few, too many, of another rank, or ragged: they are no slices."""
    parts = [variable(f"v/part_{k}", *shape) for k, shape in enumerate(shapes)]
    assert [None] * len(parts) == found_of(tmp_path, *parts)


def test_an_object_graph_among_weights_that_are_not_here(tmp_path: Path) -> None:
    """Without a SavedModel that has its own, the error says which file is missing."""
    stored = [WHOLE, strings_stored("_CHECKPOINTABLE_OBJECT_GRAPH", (), [b""])]
    path = write_bundle(tmp_path / "m", stored)
    data_file(path).unlink()
    checkpoint = open_checkpoint(path, weights_present=False)
    with pytest.raises(FreezeError) as caught:
        Names(checkpoint, None, {}).find(variable("other"))
    assert Reason.SHARD_NOT_FOUND == caught.value.reason


def test_objects_that_know_each_other() -> None:
    """Circles, the root as its own child and children that are not there: each variable has its shortest path."""
    graph = SavedObjectGraph()
    root, layer, weight = (graph.nodes.add() for _ in range(3))
    weight.variable.name = "w"
    for node, name, child in (
        (root, "self", 0), (root, "a.b", 1), (root, "lost", 3), (root, "before", -1),
        (layer, "owner", 0), (layer, "w/x", 2), (weight, "layer", 1),
    ):  # fmt: skip
        node.children.add(local_name=name, node_id=child)
    assert {"w": ["a..b/w.Sx/.ATTRIBUTES/VARIABLE_VALUE"]} == keys_by_name(graph, Budget())
