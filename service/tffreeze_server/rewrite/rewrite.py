"""From a model and its checkpoint to the frozen graph: the stages in order, each a function of the last.

wanted ─▶ flat graph ─▶ with tables ─▶ variables, their values ─▶ converted ─▶ cleaned ─▶ named
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.body import Outputs
from tffreeze_server.graph.effects import Effects
from tffreeze_server.graph.inline import CALL_OPS, Inliner, has_frames
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.order import pruned
from tffreeze_server.graph.variables import Binding, key_of
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources, resolve, sources_of
from tffreeze_server.resolve.resources import restored_resources
from tffreeze_server.rewrite import clean
from tffreeze_server.rewrite.choose_variables import Chosen, choose_variables, keeps
from tffreeze_server.rewrite.convert import Converter, Place
from tffreeze_server.rewrite.ends import Ends
from tffreeze_server.rewrite.fill_tables import fill_tables
from tffreeze_server.rewrite.finish import Finished, finish
from tffreeze_server.rewrite.flat_graph import FlatGraph, flat_graph
from tffreeze_server.rewrite.outputs import Wanted, check_named, wanted
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
        dropped_nodes: How many nodes of the model's own graph are not in the frozen one. A call that was inlined
            is in it where a node of its body is.
        checkpoint: That the values came from; None where none was needed.

    """

    finished: Finished
    bindings: tuple[Binding, ...]
    kept: tuple[str, ...]
    initializers: tuple[Initializer, ...]
    empty_tables: tuple[str, ...]
    unused: tuple[Node, ...]
    dropped_nodes: int
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


@dataclass(frozen=True, slots=True)
class Reached:
    """What the wanted outputs reach, before a value of any variable is looked up.

    Attributes:
        asked: What is wanted.
        flat: The graph it reaches, flat.
        tables: The same with what fills its tables.
        variables: Which of its variables are frozen, and which stay.
        effects: Knows what the ops of the model change.

    """

    asked: Wanted
    flat: FlatGraph
    tables: Tables
    variables: Chosen
    effects: Effects


def reach(model: Model, options: FreezeOptions, inliner: Inliner) -> Reached:
    """Find what the wanted outputs need of a model.

    Args:
        model: As it was loaded.
        options: What is wanted.
        inliner: Knows the model's functions.

    Raises:
        FreezeError: As `rewrite`, but for what concerns values.

    """
    nodes = {node.name: node for node in model.nodes}
    asked = wanted(model, options)
    check_named(model, nodes, asked.named)
    flat = flat_graph(nodes, asked, options.input_nodes, inliner, keeps(options))
    effects = Effects(inliner)
    tables = with_tables(model, flat.nodes, effects, options.initializer_nodes)
    return Reached(asked, flat, tables, choose_variables(model, tables.nodes, options), effects)


def rewrite(model: Model, source: ModelSource, options: FreezeOptions) -> Rewritten:
    """Freeze a loaded model.

    Args:
        model: As it was loaded.
        source: Where its checkpoint is.
        options: What is wanted.

    Raises:
        FreezeError: Most reasons there are.

    """
    inliner = Inliner(Outputs(model.library, model.op_defs, model.budget))
    reached = reach(model, options, inliner)
    return rewrite_reached(model, source, options, reached, Shared(inliner))


def rewrite_reached(
    model: Model, source: ModelSource, options: FreezeOptions, reached: Reached, shared: Shared
) -> Rewritten:
    """Freeze what `reach` found; as `rewrite`.

    Args:
        model: As it was loaded.
        source: Where its checkpoint is.
        options: What is wanted.
        reached: What that reaches.
        shared: From other freezes of this model, which differ in what is wanted of it only.

    """
    inliner = shared.inliner
    nodes = {node.name: node for node in model.nodes}
    flat, tables, chosen = reached.flat, reached.tables, reached.variables
    known = shared.sources
    checkpoint = known.checkpoint if known else _checkpoint(model, source, chosen, tables)
    if tables.may_be_restored:
        tables = fill_tables(tables, restored_resources(model, nodes, reached.effects), checkpoint)
    bindings: tuple[Binding, ...] = ()
    if chosen.frozen:
        bindings = resolve(known or sources_of(model, checkpoint, options, nodes), chosen.frozen)
    maker = FunctionMaker({key_of(b.variable): b for b in bindings}, inliner, reached.effects)
    roots = _roots(flat, tables)
    converted = Converter(maker.bindings, inliner.outputs, maker).convert(
        tables.nodes.values(), Place(tables.nodes, roots, has_frames=has_frames(tables.nodes)), {}
    )
    done = pruned(clean.without_static_waits(converted.nodes.values()), roots)
    ends = Ends(reached.asked, flat, inliner.outputs, tuple(i.op for i in tables.initializers))
    finished = finish(model, options, done, maker.frozen_functions(), ends)
    return Rewritten(
        finished,
        bindings,
        tuple(v.name for v in chosen.kept),
        tuple(_renamed(i, finished.renamed) for i in tables.initializers),
        tuple(finished.renamed.get(name, name) for name in tables.empty),
        flat.unused,
        len(nodes) - len(_origins(model, done)),
        checkpoint,
    )


def _origins(model: Model, names: Collection[str]) -> set[str]:
    """The nodes of the model's graph that nodes of the frozen graph are or, if calls, hold the bodies of."""
    own = {node.name for node in model.nodes}
    calls = {f"{node.name}/" for node in model.nodes if node.op in CALL_OPS or node.op in model.library}
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


def _checkpoint(model: Model, source: ModelSource, chosen: Chosen, tables: Tables) -> Checkpoint | None:
    """The checkpoint, opened where a variable or table needs one or the caller names one."""
    location = source.checkpoint or model.checkpoint
    if location is None or not (source.checkpoint or chosen.frozen or tables.may_be_restored):
        return None
    try:
        return open_checkpoint(location, weights_present=source.weights_present, budget=model.budget)
    except FreezeError as error:
        # A SavedModel without its folder `variables`: tables and variables may have their values from elsewhere,
        # and `resolve` says which variable has none.
        if error.reason is not Reason.CHECKPOINT_NOT_FOUND or source.checkpoint:
            raise
        return None


def _roots(flat: FlatGraph, tables: Tables) -> tuple[str, ...]:
    names = [node_of(t) for t in flat.tensors.values()] + [i.op for i in tables.initializers]
    names += tables.asset_nodes
    return tuple(dict.fromkeys(names))
