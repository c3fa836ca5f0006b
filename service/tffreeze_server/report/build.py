"""Building the report from the results of the stages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tffreeze_common.report import (
    DroppedReport,
    InitializerReport,
    Report,
    TensorReport,
    VariableReport,
)
from tffreeze_server.checkpoint.checkpoint import OBJECT_GRAPH_KEY, Checkpoint
from tffreeze_server.flatten.choose_outputs import Endpoint
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, TensorValue, full_tensor_name, node_of
from tffreeze_server.graph.ops import VARIABLE_OPS, has_side_effect
from tffreeze_server.graph.variables import Binding, variables_of
from tffreeze_server.plan.encode_text import EscapedText
from tffreeze_server.plan.plan import Plan
from tffreeze_server.report.warn import warnings_of
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.rewrite.rewrite import FrozenModel
from tffreeze_server.tensors import dtypes
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


def build_report(model: Model, checkpoint: Checkpoint | None, frozen: FrozenModel, plan: Plan) -> Report:
    """Build the report of a freeze.

    Args:
        model: The model.
        checkpoint: The checkpoint that the values came from; None where none was needed.
        frozen: The frozen graph and its origins.
        plan: The plan of the output.

    """
    graph = frozen.final.graph
    dropped = _dropped(model, checkpoint, frozen)
    return Report(
        kind=model.kind,
        tags=tuple(sorted(model.tags)),
        signature_keys=tuple(signature.key for signature in graph.signatures),
        inputs=_tensors(frozen.final.original_inputs, frozen.final.inputs),
        outputs=_tensors(frozen.final.original_outputs, frozen.final.outputs),
        variables=_variables(checkpoint, frozen),
        kept_variables=frozen.kept,
        initializers=_initializers(frozen),
        dropped=dropped,
        warnings=warnings_of(model, checkpoint, frozen, dropped.side_effects),
        nodes=len(graph.nodes),
        functions=len(graph.functions),
        size_bytes=plan.size_bytes,
        weights_bytes=sum(_weights_bytes(model, plan)),
        crc32c=f"{plan.crc32c:08x}",
    )


def _tensors(originals: tuple[Endpoint, ...], ends: tuple[Endpoint, ...]) -> tuple[TensorReport, ...]:
    return tuple(
        TensorReport(
            signature_key=end.signature_key,
            key=end.key,
            original=full_tensor_name(original.tensor),
            tensor=full_tensor_name(end.tensor),
            dtype=dtypes.name_of(end.dtype) if end.dtype else "",
            shape=end.shape,
        )
        for original, end in zip(originals, ends, strict=True)
    )


def _variables(checkpoint: Checkpoint | None, frozen: FrozenModel) -> tuple[VariableReport, ...]:
    constants = _constant_names(frozen.final.graph)
    constants |= {old: new for old, new in frozen.final.renamed.items() if new in constants}
    return tuple(_variable(binding, constants, checkpoint) for binding in frozen.bindings)


def _variable(binding: Binding, constants: dict[str, str], checkpoint: Checkpoint | None) -> VariableReport:
    variable, value = binding.variable, binding.value
    entry = checkpoint.entries.get(binding.key) if checkpoint is not None and binding.key else None
    return VariableReport(
        name=variable.name,
        node=next((constants[name] for name in variable.nodes if name in constants), ""),
        key=binding.key,
        source=binding.source,
        dtype=dtypes.name_of(value.dtype),
        shape=value.shape,
        size_bytes=value_size_bytes(value),
        shards=entry.shards if entry is not None else (),
    )


def value_size_bytes(value: TensorValue) -> int:
    """Size of a value: of its elements, or of the bytes of its strings."""
    if not isinstance(value.data, TensorProto):
        return value.data.length_bytes
    if value.dtype == dtypes.STRING:
        return sum(len(text) for text in value.data.string_val)
    return math.prod(value.shape) * dtypes.size_bytes_of(value.dtype)


def _constant_names(graph: FrozenGraph) -> dict[str, str]:
    """The full name of each constant by its name. Those of the graph take precedence over those in functions."""
    names = {node.name: node.name for node in graph.nodes if node.op == "Const"}
    for function in graph.functions:
        for node in function.proto.node_def:
            if node.op == "Const":
                names.setdefault(node.name, f"{function.proto.signature.name}/{node.name}")
    return names


def _initializers(frozen: FrozenModel) -> tuple[InitializerReport, ...]:
    nodes = {node.name: node for node in frozen.final.graph.nodes} if frozen.initializers else {}
    return tuple(
        InitializerReport(i.op, i.table, _asset(frozen.final.graph, nodes, i.file))
        for i in frozen.initializers
    )


def _asset(graph: FrozenGraph, nodes: Mapping[str, Node], tensor: str) -> str:
    """The asset whose path a tensor holds, directly or through the Identity that replaced a variable's read."""
    node = nodes.get(node_of(tensor))
    while node is not None and node.op == "Identity":
        node = nodes.get(node_of(node.inputs[0]))
    return graph.assets.get(node.name, "") if node else ""


def _dropped(model: Model, checkpoint: Checkpoint | None, frozen: FrozenModel) -> DroppedReport:
    known = {binding.variable.name for binding in frozen.bindings} | set(frozen.kept)
    everything = variables_of(model.nodes, VARIABLE_OPS).values()
    kept_functions = {function.proto.signature.name for function in frozen.final.graph.functions}
    return DroppedReport(
        nodes=frozen.dropped_nodes,
        functions=len(model.library.keys() - kept_functions),
        variables=tuple(variable.name for variable in everything if variable.name not in known),
        checkpoint_keys=_unused_keys(checkpoint, frozen),
        side_effects=tuple(node.name for node in frozen.unused if has_side_effect(node.op)),
    )


def _unused_keys(checkpoint: Checkpoint | None, frozen: FrozenModel) -> tuple[str, ...]:
    if checkpoint is None:
        return ()
    used = {binding.key for binding in frozen.bindings} | {OBJECT_GRAPH_KEY}
    used.update(key for initializer in frozen.initializers for key in initializer.keys)
    return tuple(key for key in checkpoint.entries if key not in used)


def _weights_bytes(model: Model, plan: Plan) -> Iterator[int]:
    """Yield the length of each segment from the checkpoint, not from the model's own file."""
    for segment in plan.segments:
        data = segment.data if isinstance(segment, EscapedText) else segment
        if isinstance(data, Assembled) or (isinstance(data, FileRange) and data.file not in model.files):
            assert not isinstance(segment, bytes)
            yield segment.length_bytes
