"""What restores a model's variables, and what a loader runs after that.

Facts: a MetaGraph names its saver in `saver_def`; a graph with several savers lists them in the collection
`savers` (tensorflow/python/training/saver.py). After the restore a loader runs one op, found in this order:
the signature `__saved_model_init_op`, the collections `saved_model_main_op` and `legacy_init_op`
(tensorflow/cc/saved_model/loader_util.cc, GetInitOp).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.message import DecodeError

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.model import Saver
from tffreeze_server.graph.node import full_tensor_name, node_of
from tffreeze_server.graph.signatures import INIT_OP_SIGNATURE
from tffreeze_server.options import FreezeOptions
from tffreeze_server.parse import parse
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef, SaverDef

_INIT_OP_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


def savers(
    options: FreezeOptions, given: SaverDef | None, meta_graph: MetaGraphDef | None
) -> tuple[Saver, ...]:
    """The savers of a model, the most authoritative first.

    Args:
        options: A restore op given there stands alone; a filename tensor given there is the first saver's.
        given: The SaverDef that the caller gave in a file.
        meta_graph: The MetaGraph, if there is one.

    Raises:
        FreezeError: MALFORMED_MODEL where a listed saver cannot be read.

    """
    found = list(dict.fromkeys(_found(given, meta_graph)))
    if options.restore_op is not None:
        same = [saver for saver in found if saver.restore_op == node_of(options.restore_op)]
        found = [Saver(node_of(options.restore_op), same[0].filename_tensor if same else "", "--restore-op")]
    if options.filename_tensor is not None:
        filename_tensor = full_tensor_name(options.filename_tensor)
        found[:1] = [replace(saver, filename_tensor=filename_tensor) for saver in found[:1]]
    return tuple(found)


def init_ops(meta_graph: MetaGraphDef | None) -> tuple[str, ...]:
    """The nodes that a loader runs after the restore."""
    if meta_graph is None:
        return ()
    signature = meta_graph.signature_def.get(INIT_OP_SIGNATURE)
    if signature is not None and INIT_OP_SIGNATURE in signature.outputs:
        return (node_of(signature.outputs[INIT_OP_SIGNATURE].name),)
    for key in _INIT_OP_COLLECTIONS:
        collection = meta_graph.collection_def.get(key)
        if collection is not None and collection.node_list.value:
            return tuple([node_of(op) for op in collection.node_list.value])
    return ()


def _found(given: SaverDef | None, meta_graph: MetaGraphDef | None) -> Iterator[Saver]:
    if given is not None:
        yield _saver(given, "--saver")
    if meta_graph is None:
        return
    own = _saver(meta_graph.saver_def, "the MetaGraph's saver_def")
    if own.restore_op:
        yield own
    listed = meta_graph.collection_def.get("savers")
    for data in listed.bytes_list.value if listed else ():
        try:
            saver = _saver(parse(SaverDef, data), "the collection 'savers'")
        except DecodeError:
            raise FreezeError(
                Reason.MALFORMED_MODEL,
                "The collection 'savers' holds what is no SaverDef. Give one with --saver or --restore-op.",
                subject="savers",
            ) from None
        if (saver.restore_op, saver.filename_tensor) != (own.restore_op, own.filename_tensor):
            yield saver


def _saver(proto: SaverDef, origin: str) -> Saver:
    return Saver(node_of(proto.restore_op_name), proto.filename_tensor_name, origin)
