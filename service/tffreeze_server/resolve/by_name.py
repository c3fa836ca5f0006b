"""Which key of a checkpoint a variable is, by its name: where no saver says so.

In this order: the slice of a partitioned variable that the collections state; a key of the variable's name;
for `NAME/part_K` the slice of `NAME` that its siblings' shapes give; the object graph of a TF2 checkpoint, which
knows the variable's name (`full_name`) for each key. Facts: tensorflow/python/ops/partitioned_variables.py;
tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from google.protobuf.message import DecodeError

from tffreeze_common.report import ValueSource
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.region import Region
from tffreeze_server.errors import FreezeError, Reason, listed
from tffreeze_server.graph.node import node_of
from tffreeze_server.graph.variables import Variable
from tffreeze_server.parse import parse
from tffreeze_server.resolve.object_paths import keys_by_name
from tffreeze_server.resolve.restore_ops import CheckpointTensor
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef
from tffreeze_server.tfproto.variable_pb2 import VariableDef

_COLLECTIONS = ("variables", "trainable_variables", "local_variables", "model_variables")
_PART = re.compile(r"(.*)/part_(\d+)(/.*)?", re.DOTALL)


@dataclass(eq=False)
class Names:
    """What names tell. Grows: it keeps what it has found.

    Attributes:
        checkpoint: Whose keys count.
        meta_graph: Whose collections list the parts of partitioned variables; None for a bare graph.
        variables: All variables of the graph, by name.

    """

    checkpoint: Checkpoint
    meta_graph: MetaGraphDef | None
    variables: Mapping[str, Variable]
    _partitions: dict[tuple[str, str], Mapping[str, CheckpointTensor]] = field(default_factory=dict)
    """What `_parts` found: asked for once for each part."""

    def find(self, variable: Variable) -> tuple[CheckpointTensor, ValueSource] | None:
        """What a variable is by its name, and the source of that (`name` or `object_graph`).

        Raises:
            FreezeError: VALUES_DISAGREE where the object graph has several keys of that name.

        """
        keys = self.checkpoint.entries
        for name in names_of(variable):
            if name in self.slices and self.slices[name].key in keys:
                return self.slices[name], ValueSource.NAME
            if name in keys:
                return CheckpointTensor(name), ValueSource.NAME
            part = self._part(name)
            if part is not None:
                return part, ValueSource.NAME
        for name in names_of(variable):
            found = self.object_keys.get(name, [])
            if len(found) > 1:
                raise _ambiguous(self.checkpoint, name, found)
            if found:
                return CheckpointTensor(found[0]), ValueSource.OBJECT_GRAPH
        return None

    @cached_property
    def slices(self) -> dict[str, CheckpointTensor]:
        """By variable name: the slice of a partitioned variable that it is, as the collections state it."""
        return dict(_stated_slices(self.meta_graph)) if self.meta_graph else {}

    @cached_property
    def object_keys(self) -> dict[str, list[str]]:
        """By full name: the keys that the object graph gives."""
        try:
            graph = self.checkpoint.object_graph()
        except FreezeError as error:
            if error.reason is not Reason.SHARD_NOT_FOUND or not self._has_own_object_graph:
                raise
            return self._own_object_keys
        found: dict[str, list[str]] = {}
        for attribute in (a for node in graph.nodes for a in node.attributes) if graph else ():
            known = found.setdefault(attribute.full_name, [])
            if attribute.checkpoint_key in self.checkpoint.entries and attribute.checkpoint_key not in known:
                known.append(attribute.checkpoint_key)
        found.pop("", None)
        return found

    @property
    def _has_own_object_graph(self) -> bool:
        return self.meta_graph is not None and self.meta_graph.HasField("object_graph_def")

    @property
    def _own_object_keys(self) -> dict[str, list[str]]:
        """What the SavedModel's own object graph says: the checkpoint's lies among weights that are not here."""
        assert self.meta_graph is not None
        keys = keys_by_name(self.meta_graph.object_graph_def, self.checkpoint.budget)
        there = self.checkpoint.entries
        return {name: [key for key in found if key in there] for name, found in keys.items() if name}

    def _part(self, name: str) -> CheckpointTensor | None:
        """`NAME/part_K` as a slice of the checkpoint's `NAME`, where all its siblings together are the whole."""
        match = _PART.fullmatch(name)
        if match is None:
            return None
        base, index, rest = match[1], match[2], match[3] or ""
        if (base, rest) not in self._partitions:
            self._partitions[base, rest] = self._parts(base, rest)
        parts = self._partitions[base, rest]
        return parts.get(index)

    def _parts(self, base: str, rest: str) -> Mapping[str, CheckpointTensor]:
        """The slices of a partitioned variable by K, as it is written; none where its parts are not the whole."""
        entry = self.checkpoint.entries.get(base + rest)
        shapes = list(self._part_shapes(base, rest)) if entry is not None else []
        for axis, size in enumerate(entry.shape if entry is not None else ()):
            assert entry is not None
            others = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
            sizes = [shape[axis] for shape in shapes if len(shape) > axis]
            if sum(sizes) == size and others == {entry.shape[:axis] + entry.shape[axis + 1 :]}:
                before, after = (0,) * axis, (0,) * (len(entry.shape) - axis - 1)
                starts = itertools.accumulate([0, *sizes[:-1]])
                regions = [
                    Region((*before, start, *after), shape)
                    for start, shape in zip(starts, shapes, strict=True)
                ]
                return {
                    str(k): CheckpointTensor(entry.key, region, entry.shape)
                    for k, region in enumerate(regions)
                }
        return {}

    def _part_shapes(self, base: str, rest: str) -> Iterator[tuple[int, ...]]:
        """The shapes of `BASE/part_0`, `BASE/part_1`… as far as they go."""
        for index in itertools.count():
            part = self.variables.get(f"{base}/part_{index}{rest}")
            if part is None or part.shape is None:
                return
            yield part.shape


def names_of(variable: Variable) -> list[str]:
    """The names a variable may be saved by, the likeliest first.

    TensorFlow 1 saves a ref variable by the name of its node, and a resource variable by its shared_name.
    """
    names = [variable.name, *variable.nodes]
    return list(dict.fromkeys(names if variable.op == "VarHandleOp" else [*variable.nodes, variable.name]))


def _stated_slices(meta_graph: MetaGraphDef) -> Iterator[tuple[str, CheckpointTensor]]:
    for collection in _COLLECTIONS:
        found = meta_graph.collection_def.get(collection)
        for data in found.bytes_list.value if found is not None else ():
            try:
                variable = parse(VariableDef, data)
            except DecodeError:
                continue  # a collection of that name may hold anything
            info = variable.save_slice_info_def
            if info.full_name:
                region = Region(tuple(info.var_offset), tuple(info.var_shape))
                yield (
                    node_of(variable.variable_name),
                    CheckpointTensor(info.full_name, region, tuple(info.full_shape)),
                )


def _ambiguous(checkpoint: Checkpoint, name: str, keys: list[str]) -> FreezeError:
    return FreezeError(
        Reason.VALUES_DISAGREE,
        f"The checkpoint {checkpoint.name!r} has several objects named {name!r}: {listed(keys)}. Only a saver says "
        "which of them the variable is, and no saver of the model restores it. Give the SavedModel or the MetaGraph "
        "whose saver does, or that saver with --saver.",
        subject=name,
    )
