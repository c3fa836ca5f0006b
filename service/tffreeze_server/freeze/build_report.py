"""The report of a freeze, from what the stages found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tffreeze_server.checkpoint.data import FileRange
from tffreeze_server.errors import listed
from tffreeze_server.freeze.inline import CALL_OPS
from tffreeze_server.freeze.outputs import Endpoint
from tffreeze_server.freeze.plan import Plan
from tffreeze_server.freeze.report import (
    DroppedReport,
    InitializerReport,
    Report,
    TensorReport,
    VariableReport,
    WarningReport,
)
from tffreeze_server.freeze.rewrite import Rewritten
from tffreeze_server.freeze.roles import CALLS, ROLES, VARIABLE_OPS
from tffreeze_server.freeze.tables import TABLE_OPS
from tffreeze_server.freeze.variables import Binding, variables_of
from tffreeze_server.graph.dtypes import name_of, size_bytes_of
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, node_of, split_tensor

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
STATELESS_ENOUGH = frozenset(ROLES) | frozenset(CALLS) | CALL_OPS | TABLE_OPS
"""Stateful by their definition, and nothing to warn of."""


def build_report(model: Model, rewritten: Rewritten, plan: Plan) -> Report:
    """Tell what was frozen from what, what was dropped, and what the user should know."""
    graph = rewritten.graph
    return Report(
        kind=model.kind,
        tags=tuple(sorted(model.tags)),
        signature_keys=tuple(s.key for s in graph.signatures),
        inputs=tuple(_tensors(rewritten.original_inputs, rewritten.inputs)),
        outputs=tuple(_tensors(rewritten.original_outputs, rewritten.outputs)),
        variables=tuple(_variable(b, rewritten) for b in rewritten.bindings),
        kept_variables=rewritten.kept,
        initializers=tuple(_initializers(rewritten)),
        dropped=_dropped(model, rewritten),
        warnings=tuple(_warnings(model, rewritten)),
        nodes=len(graph.nodes),
        functions=len(graph.functions),
        size_bytes=plan.size_bytes,
        weights_bytes=sum(s.length_bytes for s in plan.segments if isinstance(s, FileRange)),
        crc32c=f"{plan.crc32c:08x}",
    )


def _tensors(originals: Iterable[Endpoint], now: Iterable[Endpoint]) -> Iterator[TensorReport]:
    for before, after in zip(originals, now, strict=True):
        dtype = name_of(after.dtype) if after.dtype else ""
        yield TensorReport(
            after.signature_key, after.key, _full(before.tensor), _full(after.tensor), dtype, after.shape
        )


def _full(tensor: str) -> str:
    node, index = split_tensor(tensor)
    return f"{node}:{index}"


def _variable(binding: Binding, rewritten: Rewritten) -> VariableReport:
    value, variable = binding.value, binding.variable
    count = 1
    for size in value.shape:
        count *= size
    entries = rewritten.checkpoint.entries if rewritten.checkpoint else {}
    entry = entries.get(binding.key)
    return VariableReport(
        name=variable.name,
        node=variable.nodes[0],
        key=binding.key,
        source=binding.source,
        dtype=name_of(value.dtype),
        shape=value.shape,
        size_bytes=count * size_bytes_of(value.dtype),
        shards=entry.shards if entry else (),
    )


def _initializers(rewritten: Rewritten) -> Iterator[InitializerReport]:
    for i in rewritten.initializers:
        yield InitializerReport(i.op, i.table, rewritten.graph.assets.get(node_of(i.file), "") if i.file else "")


def _dropped(model: Model, rewritten: Rewritten) -> DroppedReport:
    frozen = {(b.variable.container, b.variable.name) for b in rewritten.bindings}
    everything = variables_of(model.nodes, VARIABLE_OPS)
    used_keys = {b.key for b in rewritten.bindings} | {OBJECT_GRAPH_KEY}
    entries = rewritten.checkpoint.entries if rewritten.checkpoint else {}
    kept_functions = {f.proto.signature.name for f in rewritten.graph.functions}
    return DroppedReport(
        nodes=len(model.nodes) - rewritten.top,
        functions=sum(1 for name in model.library if name not in kept_functions),
        variables=tuple(
            v.name for key, v in everything.items() if key not in frozen and v.name not in rewritten.kept
        ),
        checkpoint_keys=tuple(sorted(k for k in entries if k not in used_keys)),
        side_effects=tuple(n.name for n in rewritten.unused if _has_effect(model, n)),
    )


def _is_stateful(model: Model, node: Node) -> bool:
    definition = model.op_defs.find(node.op)
    return definition is not None and definition.is_stateful and node.op not in STATELESS_ENOUGH


def _has_effect(model: Model, node: Node) -> bool:
    """Whether a node does something that its outputs do not tell: it writes, prints or checks."""
    definition = model.op_defs.find(node.op)
    silent = definition is not None and not definition.output_arg
    return silent and _is_stateful(model, node)


def _warnings(model: Model, rewritten: Rewritten) -> Iterator[WarningReport]:
    graph = rewritten.graph
    for i in rewritten.initializers:
        yield WarningReport(
            "TABLE_NEEDS_INITIALIZER",
            f"The table {i.table!r} is empty until the op {i.op!r} has run. Run it once before the outputs.",
            i.op,
        )
    for table in rewritten.empty_tables:
        yield WarningReport(
            "TABLE_WITHOUT_INITIALIZER",
            f"Nothing in the model fills the table {table!r}: it is empty in the frozen graph.",
            table,
        )
    for node, file in graph.assets.items():
        yield WarningReport(
            "ASSET_PATH",
            f"The constant {node!r} holds the path 'assets/{file}', relative to the working directory.",
            node,
        )
    for node_ in graph.nodes:
        if _is_stateful(model, node_):
            yield _stateful(node_)
    effects = [n.name for n in rewritten.unused if _has_effect(model, n)]
    if effects:
        yield WarningReport(
            "SIDE_EFFECT_DROPPED",
            f"No output waits for these ops, so they are gone: {listed(effects)}.",
            effects[0],
        )


def _stateful(node: Node) -> WarningReport:
    if node.op.startswith(("Random", "Multinomial", "TruncatedNormal", "StatefulRandom", "StatefulStandard")):
        return WarningReport(
            "RANDOM_OP", f"The op {node.name!r} ({node.op}) gives other values at each run.", node.name
        )
    return WarningReport(
        "STATEFUL_OP", f"The op {node.name!r} ({node.op}) has a state of its own, which is not frozen.", node.name
    )
