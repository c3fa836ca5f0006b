"""Which tensors a caller wants, and which inputs belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason, listed, nearest
from tffreeze_server.graph.model import Model, Signature, TensorInfo
from tffreeze_server.graph.node import node_of
from tffreeze_server.graph.saver_nodes import saver_nodes
from tffreeze_server.options import FreezeOptions

DEFAULT_SIGNATURE_KEY = "serving_default"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A tensor at an end of the graph.

    Attributes:
        signature_key: Of the signature it belongs to; empty where it was asked for by name.
        key: In the signature; else the name that was asked for.
        tensor: `node` or `node:1`.
        dtype: The number of a `DataType`, never a ref type; 0 where unknown.
        shape: Sizes, -1 where open; None where the rank is unknown.

    """

    signature_key: str
    key: str
    tensor: str
    dtype: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What is to be kept.

    Attributes:
        signatures: The signatures that were chosen.
        inputs: Their inputs.
        outputs: Their outputs.
        named: OpRegistry asked for by name, a node (`a`) or a tensor (`a:1`); they keep their names.

    """

    signatures: tuple[Signature, ...]
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    named: tuple[str, ...]


def choose_outputs(model: Model, options: FreezeOptions) -> Endpoints:
    """Choose signatures and outputs.

    Raises:
        FreezeError: SIGNATURE_NOT_FOUND; OUTPUTS_NEEDED where nothing says what is wanted; OUTPUT_NOT_FOUND for the
            key of a signature or a node of the saver, given as an output's name.

    """
    keys = options.signature_keys or (() if options.output_nodes else _default_keys(model))
    signatures = tuple(_signature(model, key) for key in dict.fromkeys(keys))
    named = tuple(dict.fromkeys(canonical(name) for name in options.output_nodes))
    if named:
        _check_named(model, named)
    return Endpoints(
        signatures,
        tuple(e for s in signatures for e in _endpoints(s, s.inputs)),
        tuple(e for s in signatures for e in _endpoints(s, s.outputs)),
        named,
    )


def _check_named(model: Model, named: Iterable[str]) -> None:
    """Refuse names of outputs that are none: those of a signature, and of the saver's nodes."""
    names = dict.fromkeys(node_of(tensor) for tensor in named)
    ops = {node.name: node.op for node in model.nodes if node.name in names}
    for name in names:
        if name not in ops:
            _check_no_key(model, name)
    savers = saver_nodes(model)
    for name in names:
        if name in savers:
            raise FreezeError(
                Reason.OUTPUT_NOT_FOUND,
                f"The node {name!r} (op {ops[name]!r}) belongs to the model's saver, which reads and writes "
                f"checkpoints: it is no output. {_outputs_there(model)}",
                subject=name,
            )


def _check_no_key(model: Model, name: str) -> None:
    """Answer the key of a signature, or of an output of one, where a node's name is asked for."""
    if name in model.signatures:
        raise FreezeError(
            Reason.OUTPUT_NOT_FOUND,
            f"{name!r} is a signature, not a node. {_how_to_take(model, name)}",
            subject=name,
        )
    having = [signature for signature in model.signatures.values() if name in signature.outputs]
    having.sort(key=lambda signature: signature.key != DEFAULT_SIGNATURE_KEY)
    if having:
        key = having[0].key
        raise FreezeError(
            Reason.OUTPUT_NOT_FOUND,
            f"{name!r} is an output key of {key!r} ({having[0].outputs[name].tensor}), not a node. "
            f"{_how_to_take(model, key)}",
            subject=name,
        )


def _how_to_take(model: Model, key: str) -> str:
    if key == DEFAULT_SIGNATURE_KEY or len(model.signatures) == 1:
        return "Leave --output-nodes out: this signature is the one that is taken."
    return f"Give --signature {key} instead of --output-nodes."


def _outputs_there(model: Model) -> str:
    if model.signatures:
        return f"The model's signatures are {listed(model.signatures)}: leave --output-nodes out, or give --signature."
    return f"`tffreeze inspect {model.name}` ranks likely outputs: name one of them with --output-nodes."


def canonical(tensor: str) -> str:
    """The one name of a tensor or node: `a` of `a`, `a:0` and `^a`."""
    return tensor.removeprefix("^").removesuffix(":0")


def _default_keys(model: Model) -> tuple[str, ...]:
    if DEFAULT_SIGNATURE_KEY in model.signatures:
        return (DEFAULT_SIGNATURE_KEY,)
    if len(model.signatures) == 1:
        return tuple(model.signatures)
    if model.signatures:
        raise FreezeError(
            Reason.OUTPUTS_NEEDED,
            f"The model has the signatures {listed(model.signatures)} and none of them is "
            f"{DEFAULT_SIGNATURE_KEY!r}. Say which with --signature KEY (several are possible), or name outputs "
            "with --output-nodes.",
            subject=model.name,
        )
    raise FreezeError(
        Reason.OUTPUTS_NEEDED,
        "The model has no signature, so nothing says which outputs are wanted. Name them with --output-nodes A,B; "
        f"`tffreeze inspect {model.name}` lists likely ones.",
        subject=model.name,
    )


def _signature(model: Model, key: str) -> Signature:
    found = model.signatures.get(key)
    if found is not None and found.outputs:
        return found
    if found is not None:
        raise FreezeError(
            Reason.OUTPUTS_NEEDED,
            f"The signature {key!r} of the model {model.name!r} has no outputs, so there is nothing to keep. Choose "
            "another with --signature KEY, or name outputs with --output-nodes.",
            subject=key,
        )
    raise FreezeError(
        Reason.SIGNATURE_NOT_FOUND,
        f"The model {model.name!r} (tags {sorted(model.tags)}) has no signature {key!r}. "
        f"{nearest(key, model.signatures)}",
        subject=key,
    )


def _endpoints(signature: Signature, tensors: Mapping[str, TensorInfo]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(signature.key, key, canonical(info.tensor), info.dtype, info.shape)
        for key, info in tensors.items()
    )
