"""What a saver restores, read from its restore subgraph.

Theory of operation. From the saver's restore op everything it runs is collected, function bodies included. Each
`Assign` or `AssignVariableOp` in there names a variable (its first input) and a tensor (its second), which comes
from an output of a restore op. That op says which key of the checkpoint it reads, and which slice of it, in
constants; and it must read the very checkpoint that the saver is given: its prefix comes from the saver's
filename tensor. What cannot be read so is kept as an error with the variable: it matters only to those
who need that variable. Facts: tensorflow/core/ops/io_ops.cc; tensorflow/python/training/saver.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tffreeze_server.checkpoint.region import Region, parse_shape_and_slice
from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.model import Saver
from tffreeze_server.graph.node import Node, Nodes, node_of
from tffreeze_server.graph.ops import (
    ASSIGN_OPS,
    FILENAME_OPS,
    RESTORE_INPUTS,
    SAME_FILENAME_OPS,
    is_write,
)
from tffreeze_server.resolve.small_tensor import checked_shape
from tffreeze_server.resolve.trace import Origins, VariableKey, Variables, data_inputs
from tffreeze_server.tensors import dtypes


@dataclass(frozen=True, slots=True)
class CheckpointTensor:
    """A tensor of a checkpoint, as a restore op or a match by name asks for it.

    Attributes:
        key: Its key.
        region: The box of it that is wanted; None for all of it.
        whole_shape: The shape that all of it has, where that is stated.
        reshaped: Whether it takes the variable's shape, whatever its own.

    """

    key: str
    region: Region | None = None
    whole_shape: tuple[int, ...] | None = None
    reshaped: bool = False


def restored_by(flat: Nodes, saver: Saver) -> dict[VariableKey, CheckpointTensor | FreezeError]:
    """What a saver restores each variable from.

    Args:
        flat: All that its restore op runs.
        saver: The saver.

    Returns:
        By variable; an error where how it is restored cannot be read.

    Raises:
        FreezeError: MALFORMED_MODEL.

    """
    reader, variables = RestoreReader(flat, saver), Variables(flat)
    found: dict[VariableKey, CheckpointTensor | FreezeError] = {}
    for node in flat.values():
        if is_write(node.op) and node.op not in ASSIGN_OPS:
            found |= _written(variables, saver, node)
        if node.op not in ASSIGN_OPS or len(data_inputs(node)) < 2:
            continue
        key = variables.of(node.inputs[0])
        if key is None:
            continue
        restored = reader.restored(node.inputs[1])
        earlier = found.setdefault(key, restored)
        if earlier != restored and not isinstance(earlier, FreezeError):
            found[key] = (
                restored if isinstance(restored, FreezeError) else _twice(key, saver, earlier, restored)
            )
    return found


def _written(variables: Variables, saver: Saver, node: Node) -> dict[VariableKey, FreezeError]:
    """The variables that an op of the restore graph changes, where it is no plain assignment."""
    keys = (variables.of(tensor) for tensor in data_inputs(node)[:1])
    return {
        key: FreezeError(
            Reason.UNSUPPORTED_RESTORE,
            f"{saver.origin} changes the variable {key[1]!r} by the node {node.name!r} (op {node.op!r}) while it "
            "restores, whose result is known only when the model runs. Give another saver with --restore-op or "
            "--saver, or leave the variable as it is with --deny.",
            subject=node.name,
        )
        for key in keys
        if key is not None
    }


def implied_savers(nodes: Mapping[str, Node]) -> tuple[Saver, ...]:
    """Savers of a graph that comes without a SaverDef, by the name that TensorFlow 1 gives their restore op."""
    return tuple(
        [
            Saver(name, "", f"the graph's own {name!r}")
            for name, node in nodes.items()
            if node.op == "NoOp" and name.endswith("/restore_all")
        ]
    )


def describe(restored: CheckpointTensor) -> str:
    """`'v'` or `'v' (slice [0, 5] of size [2, 4])`."""
    if restored.region is None:
        return repr(restored.key)
    return f"{restored.key!r} (slice {list(restored.region.starts)} of size {list(restored.region.sizes)})"


class RestoreReader:
    """Reads what tensors of one restore graph are restored from; every node on the way is looked at once.

    Args:
        flat: The restore graph.
        saver: Whose checkpoint is to be read.

    """

    def __init__(self, flat: Nodes, saver: Saver) -> None:
        self._flat = flat
        self._saver = saver
        self._origins = Origins(flat)
        self._ends: dict[str, tuple[str, bool]] = {}
        self._constants: dict[str, tuple[Sequence[bytes], int]] = {}

    def restored(self, tensor: str) -> CheckpointTensor | FreezeError:
        """What a tensor is restored from; an error where that cannot be read."""
        try:
            node, index = self._origins.of(tensor)
            if node.op == "Reshape":
                # A saver made with reshape=True: the same elements in the variable's shape.
                node, index = self._origins.of(node.inputs[0])
                return replace(self._read(node, index), reshaped=True)
            return self._read(node, index)
        except FreezeError as error:
            return error

    def _read(self, node: Node, index: int) -> CheckpointTensor:
        inputs = data_inputs(node)
        if len(inputs) != RESTORE_INPUTS.get(node.op):
            raise FreezeError(
                Reason.UNSUPPORTED_RESTORE,
                f"{self._saver.origin} restores a variable through the node {node.name!r} (op {node.op!r}), and what "
                "that makes of the checkpoint is not known here. Give another saver with --restore-op or --saver, or "
                "leave the variable as it is with --deny.",
                subject=node.name,
            )
        self._check_filename(node, inputs[0])
        key = self._string(inputs[1], index, node)
        spec = parse_shape_and_slice(self._string(inputs[2], index, node)) if len(inputs) > 2 else None
        return CheckpointTensor(key, spec[1], spec[0]) if spec else CheckpointTensor(key)

    def _string(self, tensor: str, index: int, reader: Node) -> str:
        """An element of a constant of strings."""
        node, output = self._origins.of(tensor)
        passed: set[str] = set()
        while node.op == "Pack" and index < len(data_inputs(node)) and node.name not in passed:
            passed.add(node.name)  # what comes around in a loop is no constant
            node, output = self._origins.of(data_inputs(node)[index])
            index = 0
        if node.op != "Const":
            raise FreezeError(
                Reason.UNSUPPORTED_RESTORE,
                f"The restore op {reader.name!r} reads its tensor names from {node.name!r} (op {node.op!r}), which is "
                "no constant: they are known only when the model runs. Give another saver with --restore-op, or leave "
                "the variable as it is with --deny.",
                subject=reader.name,
            )
        if output:
            raise _no_strings(node, reader)
        strings, elements = self._constant(node, reader)
        if index >= elements:
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                f"The restore op {reader.name!r} has an output {index}, but {node.name!r} names only "
                f"{elements} tensors.",
                subject=reader.name,
            )
        # A TensorProto may leave out repetitions of its last value, and all of them where that is empty.
        name = strings[min(index, len(strings) - 1)] if strings else b""
        return name.decode("utf-8", "backslashreplace")

    def _constant(self, node: Node, reader: Node) -> tuple[Sequence[bytes], int]:
        """The strings of a constant as they stand in it, and how many there are; read once for all variables."""
        if node.name not in self._constants:
            value = node.proto.attr.get("value")
            if value is None or value.tensor.dtype != dtypes.STRING:
                raise _no_strings(node, reader)
            elements = math.prod(checked_shape(value.tensor, node.name))
            self._constants[node.name] = value.tensor.string_val, elements
        return self._constants[node.name]

    def _check_filename(self, node: Node, prefix: str) -> None:
        """The op must read the checkpoint that the saver is given, not a file of its own."""
        end, passes = self._filename(prefix)
        if passes or (not self._saver.filename_tensor and self._flat[end].op in FILENAME_OPS):
            return
        raise FreezeError(
            Reason.UNSUPPORTED_RESTORE,
            f"The restore op {node.name!r} reads the checkpoint that {end!r} names, not the one that "
            f"{self._saver.origin} is given through {self._saver.filename_tensor!r}: it restores from another file. "
            "Give the tensor that names this checkpoint with --filename-tensor, or leave the variable as it is with "
            "--deny.",
            subject=node.name,
        )

    def _filename(self, tensor: str) -> tuple[str, bool]:
        """The node that a file name comes from, and whether the saver's filename tensor is on the way."""
        wanted = node_of(self._saver.filename_tensor)
        way: dict[str, None] = {}
        name = node_of(tensor)
        while name not in self._ends and name not in way:
            way[name] = None
            node = self._flat[name]
            if node.op in SAME_FILENAME_OPS and data_inputs(node):
                name = node_of(node.inputs[0])
        end, passes = self._ends.get(name, (next(reversed(way), name), False))
        for passed in reversed(way):
            passes = passes or passed == wanted
            self._ends[passed] = end, passes
        return self._ends[node_of(tensor)]


def check_saver(saver: Saver, nodes: Mapping[str, Node]) -> None:
    """Check that a saver's restore op is in the graph.

    Raises:
        FreezeError: RESTORE_OP_NOT_FOUND.

    """
    if saver.restore_op not in nodes:
        likely = [name for name in nodes if "restore" in name] or nodes
        raise FreezeError(
            Reason.RESTORE_OP_NOT_FOUND,
            f"{saver.origin} names the restore op {saver.restore_op!r}, which is not in the graph. "
            f"{nearest(saver.restore_op, likely)} Give it with --restore-op.",
            subject=saver.restore_op,
        )


def _no_strings(node: Node, reader: Node) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The constant {node.name!r}, which the restore op {reader.name!r} reads, holds no strings.",
        subject=node.name,
    )


def _twice(key: VariableKey, saver: Saver, first: CheckpointTensor, second: CheckpointTensor) -> FreezeError:
    return FreezeError(
        Reason.VALUES_DISAGREE,
        f"{saver.origin} restores the variable {key[1]!r} twice, from {describe(first)} and from "
        f"{describe(second)}. Give the saver to use with --restore-op.",
        subject=key[1],
    )
