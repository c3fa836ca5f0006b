"""The last of the rewriting: names, assets, colocation, devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tffreeze_server.flatten.choose_outputs import Endpoint
from tffreeze_server.graph.attrs import data_type, tensor_attr
from tffreeze_server.graph.model import Model, Signature, TensorInfo
from tffreeze_server.graph.node import Node, full_tensor_name, node_of, with_attrs
from tffreeze_server.options import FreezeOptions
from tffreeze_server.rewrite import clean
from tffreeze_server.rewrite.endpoint_map import EndpointMap
from tffreeze_server.rewrite.frozen_graph import FrozenFunction, FrozenGraph
from tffreeze_server.rewrite.rename_io import Refusal, apply_names, plan_names
from tffreeze_server.tensors.dtypes import STRING
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


@dataclass(frozen=True, slots=True)
class FinalGraph:
    """A frozen graph and its ends.

    Attributes:
        graph: The frozen graph.
        inputs: Its inputs, in the order of `original_inputs`.
        outputs: Its outputs, in the order of `original_outputs`.
        original_inputs: The same as the model names them.
        original_outputs: The same as the model names them.
        renamed: The new name of each node that was renamed.
        refused: Inputs and outputs that could not be named after their keys, though that was asked for.

    """

    graph: FrozenGraph
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    original_inputs: tuple[Endpoint, ...]
    original_outputs: tuple[Endpoint, ...]
    renamed: Mapping[str, str]
    refused: tuple[Refusal, ...]


def finish(
    model: Model,
    options: FreezeOptions,
    nodes: Mapping[str, Node],
    functions: tuple[FrozenFunction, ...],
    endpoint_map: EndpointMap,
) -> FinalGraph:
    """Name, place and pack what was converted.

    Args:
        model: Whose assets and versions count.
        options: Whether to rename inputs and outputs, and to clear devices.
        nodes: By name, in order.
        functions: What is left of the library.
        endpoint_map: Inputs, outputs, and what must run before.

    """
    originals = endpoint_map.original_inputs(), endpoint_map.original_outputs(nodes)
    inputs = tuple(endpoint_map.moved(e) for e in originals[0])
    outputs = tuple(endpoint_map.typed(endpoint_map.moved(e), nodes) for e in originals[1])
    nodes, assets = _with_assets(model, nodes)
    renamed: Mapping[str, str] = {}
    refused: tuple[Refusal, ...] = ()
    if options.rename_io:
        plan = plan_names(nodes, inputs, outputs)
        nodes, renamed, refused = apply_names(plan, nodes), plan.moved, plan.refused
        inputs = tuple(replace(e, tensor=plan.tensors[e.signature_key, e.key, False]) for e in inputs)
        outputs = tuple(replace(e, tensor=plan.tensors[e.signature_key, e.key, True]) for e in outputs)
    nodes = clean.without_dangling_colocation(nodes)
    if options.clear_devices:
        nodes = clean.without_devices(nodes)
        functions = tuple(
            FrozenFunction(clean.function_without_devices(f.proto), f.values) for f in functions
        )
    graph = FrozenGraph(
        tuple(nodes.values()),
        functions,
        model.versions,
        tuple(_signature(s, inputs, outputs) for s in endpoint_map.endpoints.signatures),
        tuple(renamed.get(op, op) for op in endpoint_map.init_ops),
        {renamed.get(name, name): file for name, file in assets.items()},
    )
    return FinalGraph(graph, inputs, outputs, *originals, renamed, refused)


def _with_assets(model: Model, nodes: Mapping[str, Node]) -> tuple[dict[str, Node], dict[str, str]]:
    """The constants that a loader feeds paths to hold the path below the SavedModel instead."""
    assets = {node_of(tensor): file for tensor, file in model.assets.items()}
    changed = dict(nodes)
    found: dict[str, str] = {}
    for name in assets.keys() & nodes.keys():
        if nodes[name].op == "Const":
            path = f"assets/{assets[name]}".encode()
            value = tensor_attr(TensorProto(dtype=data_type(STRING), tensor_shape={}, string_val=[path]))
            changed[name] = with_attrs(nodes[name], value=value)
            found[name] = assets[name]
    # A variable that an initializer set to such a path holds it as a value of its own.
    paths = {f"assets/{file}".encode(): file for file in assets.values()}
    for node in nodes.values():
        data = node.value.data if node.value else None
        if isinstance(data, TensorProto) and len(data.string_val) == 1 and data.string_val[0] in paths:
            found[node.name] = paths[data.string_val[0]]
    return changed, dict(sorted(found.items()))


def _signature(
    signature: Signature, inputs: tuple[Endpoint, ...], outputs: tuple[Endpoint, ...]
) -> Signature:
    return replace(
        signature,
        inputs=_infos(signature.key, signature.inputs, inputs),
        outputs=_infos(signature.key, signature.outputs, outputs),
    )


def _infos(
    signature_key: str, infos: Mapping[str, TensorInfo], ends: tuple[Endpoint, ...]
) -> dict[str, TensorInfo]:
    tensors = {e.key: e.tensor for e in ends if e.signature_key == signature_key}
    return {key: replace(info, tensor=full_tensor_name(tensors[key])) for key, info in infos.items()}
