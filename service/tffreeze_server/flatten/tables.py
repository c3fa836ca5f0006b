"""Tables and other resources: what must be run once so that those which the outputs use are filled.

A frozen graph holds variables as constants, but a table, a decision forest or an iterator is filled by an op.
Those ops, with all they read, are kept beside the outputs, and the report names them.

Theory of operation. What a loader runs after the restore is made flat. In it each handle is followed to the
node that makes it, in one pass; a node that changes such a resource fills it, if the outputs use that. The op of
a static table is found anywhere in the graph, as a GraphDef does not say what a loader runs. A mutable table is
another matter: what inserts into it may have run in training only, and what it holds is in the checkpoint. An op
that reads a checkpoint is not kept: `fill_tables.py` takes what it reads from the checkpoint.

An op may read not one asset but the folder it lies in (a decision forest does: its path is that of one file with
the name cut off). So where an op that fills no table reads an asset, all assets in that folder are kept.
Facts: `core/ops/lookup_ops.cc`; Yggdrasil's TensorFlow ops (`SimpleMLLoadModelFromPathWithHandle`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.effects import Effects, State, state_of
from tffreeze_server.graph.functions import Functions
from tffreeze_server.graph.inline import Inliner, inline_calls
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, new_node, node_of
from tffreeze_server.graph.ops import (
    ASSIGN_OPS,
    FED_OPS,
    STATIC_FILLER_OPS,
    STATIC_TABLE_OPS,
    TABLE_FILLER_OPS,
    TABLE_IMPORT_OPS,
    TABLE_OPS,
    TEXT_FILE_OPS,
    is_restore,
)
from tffreeze_server.graph.order import reachable

_FOUND_ANYWHERE = STATIC_FILLER_OPS | TABLE_IMPORT_OPS
"""Ops that fill static tables, whether or not the model says that a loader runs them."""
COLLECTION = "table_initializer"
"""Where TensorFlow 1 lists the ops that fill tables and prepare iterators."""


@dataclass(frozen=True, slots=True)
class Initializer:
    """An op that fills a table or another resource.

    Attributes:
        op: Its node.
        table: The node of the table or resource.
        file: The tensor with the path of the file it reads; empty where it reads none.
        keys: The checkpoint's keys that hold what it fills the table with; mostly none.

    """

    op: str
    table: str
    file: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables and other resources that outputs use.

    Attributes:
        nodes: The graph, with what fills them.
        initializers: What fills them, in the order of the graph.
        empty: Tables that nothing fills: their contents are not in the model.
        others: Other resources that no op of the loader's fills without a checkpoint; most need nothing.
        added: Resources, no static tables, that the loader fills after the restore: it may add to what was restored.
        restoring: For some of `others`, the op of the loader's that fills it from a checkpoint.
        asset_nodes: The constants of assets that are kept though no node reads them.

    """

    nodes: Mapping[str, Node]
    initializers: tuple[Initializer, ...]
    empty: tuple[str, ...]
    others: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    restoring: Mapping[str, str] = field(default_factory=dict)
    asset_nodes: tuple[str, ...] = ()

    @property
    def may_be_restored(self) -> tuple[str, ...]:
        """Tables and other resources that a checkpoint may have the contents of."""
        return (*self.empty, *self.others, *self.added)


def with_tables(
    model: Model, nodes: dict[str, Node], functions: Functions, initializer_nodes: Sequence[str]
) -> Tables:
    """Add what fills the tables and other resources that are there.

    Args:
        model: Says what a loader runs.
        nodes: What the outputs reach, flat and in order.
        functions: The model's.
        initializer_nodes: What the caller says a loader runs, beside the model's own.

    Raises:
        FreezeError: UNSUPPORTED_INITIALIZER where what fills a resource reads what a loader does not know.

    """
    effects = functions.effects
    used = {state_of(n): n for n in reversed(nodes.values()) if effects.is_resource(n)}
    if not used:
        return Tables(nodes, (), ())
    loader = _Loader(model, effects, _initializing_graph(model, functions.inliner, initializer_nodes))
    found: list[Initializer] = []
    restoring: dict[str, str] = {}
    for node, state in loader.fillers():
        if state not in used:
            continue
        if node.name in loader.from_checkpoint:
            restoring[used[state].name] = node.name
            continue
        loader.check(node, used[state])
        found.append(Initializer(node.name, used[state].name, loader.file_of(node)))
    filled = {i.table for i in found}
    added = dict.fromkeys(i.table for i in found if nodes[i.table].op not in STATIC_TABLE_OPS)
    unfilled = [n for n in used.values() if n.name not in filled]
    assets = loader.assets_beside([i.op for i in found])
    joined = {**assets, **loader.nodes, **nodes}
    ordered = reachable(joined, [*nodes, *(i.op for i in found), *assets])
    return Tables(
        ordered,
        tuple(found),
        tuple(n.name for n in unfilled if n.op in TABLE_OPS),
        tuple(n.name for n in unfilled if n.op not in TABLE_OPS),
        tuple(added),
        restoring,
        tuple(assets),
    )


class _Loader:
    """What a loader runs after the restore, and all ops that fill static tables.

    Attributes:
        nodes: The nodes, flat, each after its inputs.
        run: Names of the nodes that a loader runs.
        from_checkpoint: Names of nodes that read, directly or through others, what a restore op gives.

    """

    def __init__(self, model: Model, effects: Effects, graph: _Graph) -> None:
        self.nodes = reachable(graph.nodes, graph.nodes)
        self._model = model
        self._effects = effects
        self.run = graph.runs
        self.from_checkpoint = _after(self.nodes, lambda node: is_restore(node.op))
        assets = {node_of(tensor) for tensor in model.assets}
        self._file = _after(self.nodes, lambda node: node.name in assets)
        self._unknown = _after(self.nodes, lambda node: node.op in FED_OPS and node.name not in assets)

    def fillers(self) -> Iterator[tuple[Node, State]]:
        """Each node that fills a resource, with that resource."""
        makers: dict[str, Node] = {}
        for node in self.nodes.values():
            if self._effects.is_resource(node):
                makers[node.name] = node
            else:
                makers |= {t: makers[i] for t, i in self._effects.forwarded(node) if i in makers}
            # What a loader does not run and what cannot run by itself is for training.
            runs = node.name in self.run
            if runs or (node.op in _FOUND_ANYWHERE and node.name not in self._unknown):
                filled = [makers[i] for i in self._effects.fills(node) if i in makers]
                if not runs and node.op in TABLE_IMPORT_OPS:
                    filled = [maker for maker in filled if maker.op in STATIC_TABLE_OPS]
                yield from ((node, state) for state in dict.fromkeys(map(state_of, filled)))

    def check(self, node: Node, resource: Node) -> None:
        """Raise an error where a node cannot run by itself."""
        if node.name in self._unknown:
            raise FreezeError(
                Reason.UNSUPPORTED_INITIALIZER,
                f"The resource {resource.name!r} (op {resource.op!r}) is filled by the node {node.name!r} (op "
                f"{node.op!r}), which reads the input {self._unknown[node.name]!r}: nothing in the model says what "
                "that would be. Choose outputs that do not use the resource (--output-nodes).",
                subject=resource.name,
            )

    def file_of(self, node: Node) -> str:
        """The tensor with the path of the file that a node reads; empty where it reads none."""
        if node.op in TEXT_FILE_OPS:
            return node.inputs[1] if len(node.inputs) > 1 else ""
        return self._file.get(node.name, "")

    def assets_beside(self, ops: Iterable[str]) -> dict[str, Node]:
        """The constants of all assets in a folder that one of these ops reads from; a table's op reads just one."""
        files = {node_of(tensor): file for tensor, file in self._model.assets.items()}
        readers = [op for op in ops if self.nodes[op].op not in TABLE_FILLER_OPS]
        read = [files[name] for name in reachable(self.nodes, readers) if name in files] if readers else []
        folders = {file.rpartition("/")[0] for file in read}
        beside = {name for name, file in files.items() if file.rpartition("/")[0] in folders}
        return (
            {n.name: n for n in self._model.nodes if n.name in beside and n.op == "Const"} if beside else {}
        )


def _after(nodes: Mapping[str, Node], starts: Callable[[Node], bool]) -> dict[str, str]:
    """The nodes that read, directly or through others, from nodes that `starts` picks; for each, one of those."""
    found: dict[str, str] = {}
    for node in nodes.values():
        first = next((found[node_of(i)] for i in node.inputs if node_of(i) in found), None)
        if first is not None or starts(node):
            found[node.name] = node.name if first is None else first
    return found


class _Graph(NamedTuple):
    """What fills tables and other resources, flat; `runs` are the nodes of it that a loader runs."""

    nodes: dict[str, Node]
    runs: Collection[str]


def _initializing_graph(model: Model, inliner: Inliner, initializer_nodes: Sequence[str]) -> _Graph:
    nodes = {node.name: node for node in model.nodes}
    run = list(dict.fromkeys([*model.init_ops, *_collected(model, nodes), *initializer_nodes]))
    runs = _flat(nodes, run, inliner)
    fillers = [node.name for node in model.nodes if node.op in _FOUND_ANYWHERE]
    return _Graph({**_flat(nodes, fillers, inliner), **runs}, runs.keys())


def _flat(nodes: Mapping[str, Node], roots: list[str], inliner: Inliner) -> dict[str, Node]:
    flat, _ = inline_calls(reachable(nodes, roots), inliner, frozenset(roots), nodes)
    return {name: _assigned(node) for name, node in flat.items()}


def _assigned(node: Node) -> Node:
    """Nothing, for an assignment: the variable has that value already (`resolve` reads initializers as data)."""
    return new_node(node.name, "NoOp", (), {}) if node.op in ASSIGN_OPS else node


def _collected(model: Model, nodes: Mapping[str, Node]) -> Iterable[str]:
    if model.meta_graph is None or COLLECTION not in model.meta_graph.collection_def:
        return ()
    names = model.meta_graph.collection_def[COLLECTION].node_list.value
    return [node_of(name) for name in names if node_of(name) in nodes]
