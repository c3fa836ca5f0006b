"""Tables and other resources whose contents are in the checkpoint: which keys hold them.

A mutable table is restored by an op that imports two tensors of the checkpoint, its keys and its values; boosted
trees by one that reads a stamp and a serialized ensemble. Facts: `core/ops/lookup_ops.cc`,
`core/ops/boosted_trees_ops.cc`; `python/ops/lookup_ops.py` names the keys `NAME-keys` and `NAME-values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError
from tffreeze_server.graph.effects import Effects, State, state_of
from tffreeze_server.graph.inline import flatten
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node
from tffreeze_server.resolve.restore_ops import Restored, RestoreReader, implied_savers
from tffreeze_server.resolve.trace import Origins, data_inputs


@dataclass(frozen=True, slots=True)
class RestoredResource:
    """A table or other resource that a saver restores.

    Attributes:
        importer: The op that fills it, in the saver's restore graph.
        inputs: What each of its data inputs is: None for the handle, a constant, or what is restored; an error
            where that cannot be read.

    """

    importer: Node
    inputs: tuple[Node | Restored | FreezeError | None, ...]


def restored_resources(
    model: Model, nodes: Mapping[str, Node], effects: Effects
) -> dict[State, RestoredResource]:
    """The tables and other resources that the model's first saver restores."""
    savers = [s for s in model.savers if s.restore_op in nodes] or list(implied_savers(nodes))
    found: dict[State, RestoredResource] = {}
    for saver in savers[:1]:
        flat = flatten(nodes, [saver.restore_op], model.library, model.op_defs, model.budget)
        reader, origins = RestoreReader(flat, saver), Origins(flat)
        for node in flat.values():
            handles = effects.fills(node)
            if len(handles) != 1:
                continue
            maker, _ = origins.of(handles[0])
            if effects.is_resource(maker):
                inputs = [None if t in handles else _input(origins, reader, t) for t in data_inputs(node)]
                found.setdefault(state_of(maker), RestoredResource(node, tuple(inputs)))
    return found


def _input(origins: Origins, reader: RestoreReader, tensor: str) -> Node | Restored | FreezeError:
    try:
        node, _ = origins.of(tensor)
    except FreezeError as error:
        return error
    return node if node.op == "Const" else reader.restored(tensor)
