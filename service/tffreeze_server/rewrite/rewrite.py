"""From the flat graph and the values of its variables to the frozen graph; nothing is read here.

tables filled ─▶ variables converted to constants ─▶ cleaned up ─▶ inputs and outputs named
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from tffreeze_server.flatten.flat_graph import FlatGraph
from tffreeze_server.flatten.flatten import FlatModel
from tffreeze_server.flatten.tables import Initializer, Tables
from tffreeze_server.graph.functions import Functions
from tffreeze_server.graph.inline import has_frames
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.ops import INLINED_OPS
from tffreeze_server.graph.order import pruned
from tffreeze_server.graph.variables import Binding, key_of
from tffreeze_server.options import FreezeOptions
from tffreeze_server.resolve.resolve import Values
from tffreeze_server.rewrite import clean
from tffreeze_server.rewrite.convert import Converter, Location
from tffreeze_server.rewrite.endpoint_map import EndpointMap
from tffreeze_server.rewrite.fill_tables import fill_tables
from tffreeze_server.rewrite.finish import FinalGraph, finish
from tffreeze_server.rewrite.specialise import FunctionMaker


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """A frozen graph and what is known of how it came to be.

    Attributes:
        final: The frozen graph and its ends.
        bindings: The frozen variables and where their values came from.
        kept: The variables that were left as they are.
        initializers: Ops to run once before the outputs.
        empty_tables: Tables that nothing fills.
        unused: Nodes of inlined bodies that no output needs.
        dropped_nodes: How many nodes of the model's own graph are not in the frozen one. A call that was inlined
            is in it where a node of its body is.

    """

    final: FinalGraph
    bindings: tuple[Binding, ...]
    kept: tuple[str, ...]
    initializers: tuple[Initializer, ...]
    empty_tables: tuple[str, ...]
    unused: tuple[Node, ...]
    dropped_nodes: int


def rewrite(
    model: Model, flat: FlatModel, values: Values, options: FreezeOptions, functions: Functions
) -> FrozenModel:
    """Make the frozen graph.

    Args:
        model: As it was loaded.
        flat: What the outputs need of it.
        values: Of the variables and resources in that.
        options: Whether to rename inputs and outputs, and to clear devices.
        functions: The model's.

    Raises:
        FreezeError: REACHABLE_WRITE, UNSUPPORTED_OP, UNKNOWN_OP, MALFORMED_MODEL, MODEL_TOO_COMPLEX.

    """
    tables = fill_tables(flat.tables, values.contents)
    maker = FunctionMaker({key_of(b.variable): b for b in values.bindings}, functions)
    roots = _roots(flat.graph, tables)
    converted = Converter(maker.bindings, functions.registry, maker).convert(
        tables.nodes.values(), Location(tables.nodes, roots, has_frames=has_frames(tables.nodes)), {}
    )
    done = pruned(clean.without_static_waits(converted.nodes.values()), roots)
    endpoint_map = EndpointMap(
        flat.endpoints, flat.graph, functions.registry, tuple(i.op for i in tables.initializers)
    )
    final = finish(model, options, done, maker.frozen_functions(), endpoint_map)
    return FrozenModel(
        final,
        values.bindings,
        tuple(v.name for v in flat.variables.kept),
        tuple(_renamed(i, final.renamed) for i in tables.initializers),
        tuple(final.renamed.get(name, name) for name in tables.empty),
        flat.graph.unused,
        len(model.nodes) - len(_origins(model, done)),
    )


def _origins(model: Model, names: Collection[str]) -> set[str]:
    """The nodes of the model's graph that nodes of the frozen graph are or, if calls, hold the bodies of."""
    own = {node.name for node in model.nodes}
    calls = {f"{node.name}/" for node in model.nodes if node.op in INLINED_OPS or node.op in model.library}
    found = own.intersection(names)
    around: list[str] = []  # In the order of the names: the calls that the name before is in, innermost last.
    for name in sorted([*calls, *(name for name in names if name not in own)]) if calls else ():
        while around and not name.startswith(around[-1]):
            around.pop()
        if name in calls:
            around.append(name)
        elif around:
            found.add(around[-1].removesuffix("/"))
    return found


def _renamed(initializer: Initializer, renamed: Mapping[str, str]) -> Initializer:
    """An initializer by the names that its nodes have in the frozen graph."""
    op, table, file = (
        renamed.get(name, name) for name in (initializer.op, initializer.table, initializer.file)
    )
    return replace(initializer, op=op, table=table, file=file)


def _roots(flat: FlatGraph, tables: Tables) -> tuple[str, ...]:
    names = [node_of(t) for t in flat.tensors.values()] + [i.op for i in tables.initializers]
    names += tables.asset_nodes
    return tuple(dict.fromkeys(names))
