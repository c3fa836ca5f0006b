"""Tables whose contents are in the checkpoint: which keys hold them.

A mutable table is restored by an op that imports two tensors of the checkpoint, its keys and its values.
Facts: `core/ops/lookup_ops.cc`; `python/ops/lookup_ops.py` names them `NAME-keys` and `NAME-values`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError
from tffreeze_server.graph.inline import flatten
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node
from tffreeze_server.graph.table_ops import IMPORT_OPS, TABLE_OPS, table_key
from tffreeze_server.resolve.restore_ops import Restored, implied_savers, restored_tensor
from tffreeze_server.resolve.trace import SAME_VALUE, VariableKey, data_inputs, origin


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """A table that a saver restores.

    Attributes:
        importer: The op that fills it, in the saver's restore graph.
        keys: Where its keys are.
        values: Where its values are.

    """

    importer: Node
    keys: Restored
    values: Restored


def restored_tables(model: Model, nodes: Mapping[str, Node]) -> dict[VariableKey, RestoredTable]:
    """The tables that the model's first saver restores, by container and name."""
    savers = [s for s in model.savers if s.restore_op in nodes] or list(implied_savers(nodes))
    found: dict[VariableKey, RestoredTable] = {}
    for saver in savers[:1]:
        flat = flatten(nodes, [saver.restore_op], model.library, model.op_defs, model.budget)
        for node in _importers(flat):
            table, _ = origin(flat, node.inputs[0], model.budget, SAME_VALUE)
            keys, values = (restored_tensor(flat, t, saver, model.budget) for t in data_inputs(node)[1:3])
            if (
                table.op in TABLE_OPS
                and not isinstance(keys, FreezeError)
                and not isinstance(values, FreezeError)
            ):
                found.setdefault(table_key(table), RestoredTable(node, keys, values))
    return found


def _importers(flat: Mapping[str, Node]) -> Iterator[Node]:
    for node in flat.values():
        if node.op in IMPORT_OPS and len(data_inputs(node)) == 3:
            yield node
