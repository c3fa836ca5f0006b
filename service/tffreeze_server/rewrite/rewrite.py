"""From a model and its checkpoint to the frozen graph: the stages in order, each a function of the last.

wanted ─▶ flat graph ─▶ with tables ─▶ variables, their values ─▶ converted ─▶ cleaned ─▶ named
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.body import Outputs
from tffreeze_server.graph.inline import Inliner, has_frames
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.order import pruned
from tffreeze_server.graph.variables import Binding
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources, resolve, sources_of
from tffreeze_server.resolve.tables import restored_tables
from tffreeze_server.rewrite import clean
from tffreeze_server.rewrite.choose_variables import Chosen, choose_variables, keeps
from tffreeze_server.rewrite.convert import Converter, Place
from tffreeze_server.rewrite.ends import Ends
from tffreeze_server.rewrite.fill_tables import fill_tables
from tffreeze_server.rewrite.finish import Finished, finish
from tffreeze_server.rewrite.flat_graph import FlatGraph, flat_graph
from tffreeze_server.rewrite.outputs import wanted
from tffreeze_server.rewrite.specialise import FunctionMaker
from tffreeze_server.rewrite.tables import Initializer, Tables, with_tables


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A frozen graph and what is known of how it came to be.

    Attributes:
        finished: The frozen graph and its ends.
        bindings: The frozen variables and where their values came from.
        kept: The variables that were left as they are.
        initializers: Ops to run once before the outputs.
        empty_tables: Tables that nothing fills.
        unused: Nodes of inlined bodies that no output needs.
        top: How many nodes of the model's own graph were reached.
        checkpoint: That the values came from; None where none was needed.

    """

    finished: Finished
    bindings: tuple[Binding, ...]
    kept: tuple[str, ...]
    initializers: tuple[Initializer, ...]
    empty_tables: tuple[str, ...]
    unused: tuple[Node, ...]
    top: int
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True)
class Shared:
    """What several freezes of one model have in common.

    Attributes:
        inliner: Knows the model's functions, and those it has made flat.
        sources: Where the values of variables come from, for one checkpoint; None where it is yet to be opened.

    """

    inliner: Inliner
    sources: Sources | None = None


def rewrite(
    model: Model, source: ModelSource, options: FreezeOptions, shared: Shared | None = None
) -> Rewritten:
    """Freeze a loaded model.

    Args:
        model: As it was loaded.
        source: Where its checkpoint is.
        options: What is wanted.
        shared: From other freezes of this model, which differ in what is wanted of it only.

    Raises:
        FreezeError: Most reasons there are.

    """
    asked = wanted(model, options)
    shared = shared or Shared(Inliner(Outputs(model.library, model.op_defs, model.budget)))
    inliner = shared.inliner
    nodes = {node.name: node for node in model.nodes}
    flat = flat_graph(nodes, asked, options.input_nodes, inliner, keeps(options))
    tables = with_tables(model, flat.nodes, inliner)
    chosen = choose_variables(model, tables.nodes, options)
    known = shared.sources
    checkpoint = known.checkpoint if known else _checkpoint(model, source, chosen, tables)
    if tables.empty and checkpoint is not None:
        tables = fill_tables(tables, restored_tables(model, nodes), checkpoint)
    bindings: tuple[Binding, ...] = ()
    if chosen.frozen:
        bindings = resolve(known or sources_of(model, checkpoint, options, nodes), chosen.frozen)
    maker = FunctionMaker({(b.variable.container, b.variable.name): b for b in bindings}, inliner)
    roots = _roots(flat, tables)
    converted = Converter(maker.bindings, inliner.outputs, maker).convert(
        tables.nodes.values(), Place(tables.nodes, roots, has_frames=has_frames(tables.nodes)), {}
    )
    done = pruned(clean.without_static_waits(converted.nodes.values()), roots)
    ends = Ends(asked, flat, inliner.outputs, tuple(i.op for i in tables.initializers))
    finished = finish(model, options, done, maker.frozen_functions(), ends)
    return Rewritten(
        finished,
        bindings,
        tuple(v.name for v in chosen.kept),
        tuple(_renamed(i, finished.renamed) for i in tables.initializers),
        tuple(finished.renamed.get(name, name) for name in tables.empty),
        flat.unused,
        flat.top,
        checkpoint,
    )


def _renamed(initializer: Initializer, renamed: Mapping[str, str]) -> Initializer:
    """An initializer by the names that its nodes have in the frozen graph."""
    op, table, file = (
        renamed.get(name, name) for name in (initializer.op, initializer.table, initializer.file)
    )
    return Initializer(op, table, file)


def _checkpoint(model: Model, source: ModelSource, chosen: Chosen, tables: Tables) -> Checkpoint | None:
    """The checkpoint, opened where a variable or table needs one or the caller names one."""
    location = source.checkpoint or model.checkpoint
    if location is None or not (source.checkpoint or chosen.frozen or tables.empty):
        return None
    try:
        return open_checkpoint(location, weights_present=source.weights_present, budget=model.budget)
    except FreezeError as error:
        # A table may have its contents from elsewhere: for it alone, a checkpoint need not be there.
        if error.reason is not Reason.CHECKPOINT_NOT_FOUND or source.checkpoint or chosen.frozen:
            raise
        return None


def _roots(flat: FlatGraph, tables: Tables) -> tuple[str, ...]:
    names = [node_of(t) for t in flat.tensors.values()] + [i.op for i in tables.initializers]
    return tuple(dict.fromkeys(names))
