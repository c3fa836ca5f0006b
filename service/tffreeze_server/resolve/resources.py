"""Tables and other resources whose contents are in the checkpoint: which keys hold them.

A mutable table is restored by an op that imports two tensors of the checkpoint, its keys and its values; boosted
trees by one that reads a stamp and a serialized ensemble. Facts: `core/ops/lookup_ops.cc`,
`core/ops/boosted_trees_ops.cc`; `python/ops/lookup_ops.py` names the keys `NAME-keys` and `NAME-values`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.flatten.tables import Tables
from tffreeze_server.graph.effects import Effects, State, state_of
from tffreeze_server.graph.model import Saver
from tffreeze_server.graph.node import Node, Nodes, TensorValue
from tffreeze_server.resolve.restore_ops import CheckpointTensor, RestoreReader
from tffreeze_server.resolve.trace import Origins, data_inputs


@dataclass(frozen=True, slots=True)
class ResourceContents:
    """What the checkpoint has for a table or other resource.

    Attributes:
        resource: Its node.
        importer: The op that fills it, in the saver's restore graph.
        inputs: What each data input of the importer is: None for the handle, a constant, or a value.
        keys: The checkpoint's keys that these values come from.

    """

    resource: str
    importer: Node
    inputs: tuple[Node | TensorValue | None, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Import:
    """How a saver restores a table or other resource.

    Attributes:
        importer: The op that fills it, in the saver's restore graph.
        inputs: What each of its data inputs is: None for the handle, a constant, or what is restored; an error
            where that cannot be read.

    """

    importer: Node
    inputs: tuple[Node | CheckpointTensor | FreezeError | None, ...]


def resource_contents(
    tables: Tables, saver: Saver | None, graph: Nodes, checkpoint: Checkpoint | None, effects: Effects
) -> tuple[ResourceContents, ...]:
    """What fills those resources that only the checkpoint has the contents of.

    A table may stay empty: it can still be looked up in. Nothing else can be used before it is filled.

    Args:
        tables: What nothing in the model fills, or fills alone.
        saver: That restores resources; None where there is none.
        graph: All that its restore op runs.
        checkpoint: That it reads; None where there is none.
        effects: Knows what ops change.

    Raises:
        FreezeError: UNSUPPORTED_INITIALIZER, CHECKPOINT_NEEDED or VARIABLE_NOT_IN_CHECKPOINT for a resource that
            cannot be filled from the checkpoint, and that something fills from there; not for an empty table.

    """
    imports = _imports(graph, saver, effects) if saver else {}
    contents: list[ResourceContents] = []
    for name in tables.may_be_restored:
        resource = tables.nodes[name]
        found = imports.get(state_of(resource))
        problem = _problem(resource, found, checkpoint, tables.restoring.get(name, ""))
        if problem is not None and name not in tables.empty:
            raise problem
        if found is None or checkpoint is None or problem is not None:
            continue
        inputs = tuple([_value(part, checkpoint) for part in found.inputs])
        keys = tuple(part.key for part in found.inputs if isinstance(part, CheckpointTensor))
        contents.append(ResourceContents(name, found.importer, inputs, keys))
    return tuple(contents)


def _imports(graph: Nodes, saver: Saver, effects: Effects) -> dict[State, _Import]:
    """The tables and other resources that a saver restores."""
    found: dict[State, _Import] = {}
    reader, origins = RestoreReader(graph, saver), Origins(graph)
    for node in graph.values():
        handles = effects.fills(node)
        if len(handles) != 1:
            continue
        maker, _ = origins.of(handles[0])
        if effects.is_resource(maker):
            inputs = [None if t in handles else _input(origins, reader, t) for t in data_inputs(node)]
            found.setdefault(state_of(maker), _Import(node, tuple(inputs)))
    return found


def _input(origins: Origins, reader: RestoreReader, tensor: str) -> Node | CheckpointTensor | FreezeError:
    try:
        node, _ = origins.of(tensor)
    except FreezeError as error:
        return error
    return node if node.op == "Const" else reader.restored(tensor)


def _value(
    part: Node | CheckpointTensor | FreezeError | None, checkpoint: Checkpoint
) -> Node | TensorValue | None:
    """An input of the op that imports; None for the handle."""
    if isinstance(part, CheckpointTensor):
        return checkpoint.value(part.key, part.region)
    return part if isinstance(part, Node) else None


def _problem(
    resource: Node, found: _Import | None, checkpoint: Checkpoint | None, restoring: str
) -> FreezeError | None:
    """Why a resource that is filled from a checkpoint cannot be; None where it can, or where nothing fills it."""
    if found is None:
        return (
            _cannot(resource, restoring, "and that op is not part of the model's saver")
            if restoring
            else None
        )
    importer = found.importer.name
    if checkpoint is None:
        return FreezeError(
            Reason.CHECKPOINT_NEEDED,
            f"What the resource {resource.name!r} (op {resource.op!r}) holds is in the checkpoint, which the node "
            f"{importer!r} (op {found.importer.op!r}) reads it from. Give it with --checkpoint.",
            subject=resource.name,
        )
    for part in found.inputs:
        if isinstance(part, FreezeError):
            return _cannot(resource, importer, f"and how that is read is not known: {part.message}")
        if isinstance(part, CheckpointTensor) and part.key not in checkpoint.entries:
            return FreezeError(
                Reason.VARIABLE_NOT_IN_CHECKPOINT,
                f"The node {importer!r} (op {found.importer.op!r}) fills the resource {resource.name!r} (op "
                f"{resource.op!r}) from the key {part.key!r}, which the checkpoint does not have. "
                "Give the checkpoint that belongs to this model.",
                subject=resource.name,
            )
    return None


def _cannot(resource: Node, op: str, why: str) -> FreezeError:
    return FreezeError(
        Reason.UNSUPPORTED_INITIALIZER,
        f"The resource {resource.name!r} (op {resource.op!r}) is filled from a checkpoint by the node {op!r}, {why}. "
        "Choose outputs that do not use the resource (--output-nodes).",
        subject=resource.name,
    )
