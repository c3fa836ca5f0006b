"""What a model is and what would stand in the way of freezing it: the way of a freeze, stopped early.

No weight is read and nothing is written. To find obstacles each signature is taken as far as the frozen graph,
which is when all that cannot be frozen has been met.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tffreeze_common.inspection import (
    AssetInspection,
    Inspection,
    ObstacleInspection,
    SaverInspection,
    SignatureInspection,
    TensorInspection,
)
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_for
from tffreeze_server.errors import FreezeError, listed
from tffreeze_server.flatten.choose_outputs import choose_outputs
from tffreeze_server.flatten.flatten import flatten
from tffreeze_server.graph.attrs import read_shape
from tffreeze_server.graph.functions import functions_of
from tffreeze_server.graph.load import load
from tffreeze_server.graph.model import Model, Signature, TensorInfo
from tffreeze_server.graph.node import Node, split_tensor
from tffreeze_server.graph.op_args import output_types
from tffreeze_server.graph.variables import Variable
from tffreeze_server.inspection.candidates import candidate_outputs, input_nodes
from tffreeze_server.inspection.variable_status import extra_keys, variable_statuses
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources, resolve
from tffreeze_server.rewrite.rewrite import rewrite
from tffreeze_server.tensors import dtypes

_NODE_STEPS = 1
_REACHED_STEPS = 6
"""Of a budget, for each node, and for each that a signature needs: many signatures may want all of a graph."""


def inspect(source: ModelSource, options: FreezeOptions) -> Inspection:
    """Inspect a model.

    Args:
        source: Where it is.
        options: What a freeze would be asked for; with `output_nodes` obstacles are those of that freeze.

    Raises:
        FreezeError: For a model, or a checkpoint that the caller names, which cannot be read.

    """
    model = load(source, options)
    functions = functions_of(model)
    checkpoint, problem = _open(model, source)
    sources = Sources(model, checkpoint, options, functions)
    taken = [_take(sources, problem, each) for each in _wanted(model, options)]
    variables, needs = variable_statuses(
        sources, {t.key: t.variables for t in taken if t.variables is not None}
    )
    problems = [_Trial("", None, problem)] if problem else []
    inputs = input_nodes(model.nodes, model.savers, model.assets)
    outputs = [] if model.signatures else candidate_outputs(model)
    return Inspection(
        kind=model.kind,
        all_tags=tuple(tuple(sorted(tags)) for tags in model.all_tags),
        tags=tuple(sorted(model.tags)),
        signatures=tuple(_signature(signature, sources.nodes) for signature in model.signatures.values()),
        savers=tuple(SaverInspection(s.restore_op, s.filename_tensor, s.origin) for s in model.savers),
        init_ops=model.init_ops,
        assets=tuple(
            AssetInspection(t, f) for t, f in sorted(model.assets.items(), key=lambda item: item[::-1])
        ),
        variables=variables,
        extra_keys=extra_keys(checkpoint, variables),
        candidate_outputs=tuple(t for node in outputs for t in _tensors_of(model, node)),
        inputs=tuple(t for node in inputs for t in _tensors_of(model, node)),
        obstacles=(*_obstacles(problems), *_obstacles(taken)),
        nodes=len(model.nodes),
        functions=len(model.library),
        needs=needs,
    )


def _open(model: Model, source: ModelSource) -> tuple[Checkpoint | None, FreezeError | None]:
    """Open the checkpoint, if there is one; the model's own that cannot be read is an obstacle."""
    try:
        return open_for(model, source, needed=True), None
    except FreezeError as error:
        if source.checkpoint is not None:
            raise
        return None, error


@dataclass(frozen=True, slots=True)
class _Trial:
    """One freeze that may be wanted, taken as far as it goes.

    Attributes:
        key: Of its signature; empty for outputs asked for by name.
        variables: Those it would freeze; None where its graph cannot be told.
        error: What it ends in, if it does not succeed.

    """

    key: str
    variables: tuple[Variable, ...] | None
    error: FreezeError | None


def _wanted(model: Model, options: FreezeOptions) -> list[FreezeOptions]:
    """What may be wanted: the outputs asked for by name, or each signature by itself."""
    if options.output_nodes:
        return [options]
    return [replace(options, signature_keys=(key,)) for key in options.signature_keys or model.signatures]


def _take(sources: Sources, problem: FreezeError | None, options: FreezeOptions) -> _Trial:
    """Take one freeze as far as the frozen graph; `problem` is why the checkpoint cannot be opened."""
    model, functions = sources.model, sources.functions
    key = "" if options.output_nodes else options.signature_keys[0]
    variables = None
    model.budget.draw("the signatures", _NODE_STEPS * len(model.nodes), subject=key)
    try:
        flat = flatten(model, choose_outputs(model, options), options, functions)
        variables = flat.variables.frozen
        model.budget.draw("the signatures", _REACHED_STEPS * len(flat.graph.nodes), subject=key)
        if problem and flat.needs_checkpoint:
            return _Trial(key, variables, problem)
        rewrite(model, flat, resolve(sources, flat), options, functions)
    except FreezeError as error:
        return _Trial(key, variables, error)
    return _Trial(key, variables, None)


def _obstacles(taken: Iterable[_Trial]) -> tuple[ObstacleInspection, ...]:
    """What each ended in; signatures that end in the same error share one."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in taken:
        if one.error:
            error = one.error.reason.name, one.error.message, one.error.subject
            found.setdefault(error, []).append(one.key)
    return tuple(
        ObstacleInspection(reason, f"For {listed(keys)}: {message}" if any(keys) else message, subject)
        for (reason, message, subject), keys in found.items()
    )


def _signature(signature: Signature, nodes: Mapping[str, Node]) -> SignatureInspection:
    return SignatureInspection(
        signature.key,
        signature.method_name,
        tuple(_of_signature(key, info, nodes) for key, info in signature.inputs.items()),
        tuple(_of_signature(key, info, nodes) for key, info in signature.outputs.items()),
    )


def _of_signature(key: str, info: TensorInfo, nodes: Mapping[str, Node]) -> TensorInspection:
    name, index = split_tensor(info.tensor)
    op = nodes[name].op if name in nodes else ""
    return TensorInspection(key, f"{name}:{index}", _dtype_name(info.dtype), info.shape, op)


def _tensors_of(model: Model, node: Node) -> Iterator[TensorInspection]:
    """All outputs of a node; its first, where its op is not known."""
    definition = model.op_defs.find(node.op)
    try:
        types = output_types(definition, node.proto.attr, node=node.name) if definition else (0,)
    except FreezeError:
        types = (0,)
    for index, dtype in enumerate(types):
        yield TensorInspection("", f"{node.name}:{index}", _dtype_name(dtype), _shape(node, index), node.op)


def _dtype_name(dtype: int) -> str:
    return dtypes.name_of(dtypes.base(dtype)) if dtype else ""


def _shape(node: Node, index: int) -> tuple[int, ...] | None:
    """The shape that the exporter noted, or that a Placeholder is of."""
    attrs = node.proto.attr
    for key in ("_output_shapes", "output_shapes"):
        if key in attrs and index < len(attrs[key].list.shape):
            return read_shape(attrs[key].list.shape[index], node.name)
    return read_shape(attrs["shape"].shape, node.name) if "shape" in attrs else None
