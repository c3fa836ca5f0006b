"""Signatures of a MetaGraph, composite tensors as their components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tffreeze_server.graph.attrs import read_shape
from tffreeze_server.graph.model import Signature, TensorInfo
from tffreeze_server.tensors.dtypes import base
from tffreeze_server.tfproto import saved_model_pb2
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef
from tffreeze_server.tfproto.tensor_pb2 import DT_INT64

INIT_OP_SIGNATURE = "__saved_model_init_op"
TRAIN_OP_SIGNATURE = "__saved_model_train_op"
_LOADERS_OWN = frozenset((INIT_OP_SIGNATURE, TRAIN_OP_SIGNATURE))


def signatures(meta_graph: MetaGraphDef) -> dict[str, Signature]:
    """The signatures that are for users, by key in order.

    Those of the loader (tensorflow/cc/saved_model/constants.h) are left out.
    """
    return {
        key: Signature(key, found.method_name, _tensors(found.inputs), _tensors(found.outputs))
        for key, found in sorted(meta_graph.signature_def.items())
        if key not in _LOADERS_OWN
    }


def _tensors(infos: Mapping[str, saved_model_pb2.TensorInfo]) -> dict[str, TensorInfo]:
    return {name: tensor for key in sorted(infos) for name, tensor in _components(key, infos[key])}


def _components(key: str, info: saved_model_pb2.TensorInfo) -> Iterator[tuple[str, TensorInfo]]:
    """What one key stands for: a tensor, or components by `key/values` and so on, or `key/0` and so on."""
    kind = info.WhichOneof("encoding")
    sizes = read_shape(info.tensor_shape, key)
    shape = None if sizes is None else tuple([max(size, -1) for size in sizes])
    if kind == "coo_sparse":
        rank = None if shape is None else len(shape)
        sparse = info.coo_sparse
        indices = (-1, -1 if rank is None else rank)
        yield f"{key}/values", TensorInfo(sparse.values_tensor_name, base(info.dtype), (-1,))
        yield f"{key}/indices", TensorInfo(sparse.indices_tensor_name, DT_INT64, indices)
        yield f"{key}/dense_shape", TensorInfo(sparse.dense_shape_tensor_name, DT_INT64, indices[1:])
    elif kind == "composite_tensor":
        for index, component in enumerate(info.composite_tensor.components):
            yield from _components(f"{key}/{index}", component)
    else:
        # A signature may tell a ref type (DT_FLOAT_REF). Whoever runs it gets the value, whose type is the base.
        yield key, TensorInfo(info.name, base(info.dtype), shape)
