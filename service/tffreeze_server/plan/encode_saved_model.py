"""Encoding a frozen graph as a SavedModel without variables, binary or text.

It has one MetaGraph with the kept signatures. The collection `saved_model_main_op` names what a loader runs before
the first use (table initializers). `asset_file_def` and the collection `saved_model_assets` name the constants that
it feeds asset paths to (tensorflow/cc/saved_model/constants.h and loader_util.cc;
tensorflow/python/saved_model/loader_impl.py). There is no object graph, so `tf.saved_model.load` loads it
like a TF1 model (tensorflow/python/saved_model/load_v1_in_v2.py), which restores the signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from tffreeze_server.graph.attrs import shape_proto
from tffreeze_server.graph.model import Signature, TensorInfo
from tffreeze_server.graph.node import full_tensor_name, new_node
from tffreeze_server.plan.encode import graph_segments
from tffreeze_server.plan.encode_text import text, text_graph
from tffreeze_server.plan.message_size import check_encoded_size
from tffreeze_server.plan.plan import Segment
from tffreeze_server.plan.segments import joined, nested
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.tensors import dtypes
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto import saved_model_pb2
from tffreeze_server.tfproto.saved_model_pb2 import AssetFileDef, MetaGraphDef, SavedModel, SignatureDef
from tffreeze_server.tfproto.tensor_pb2 import DataType

_SCHEMA_VERSION = 1
_SAVED_MODEL_META_GRAPH = 2
_META_GRAPH_GRAPH = 2
_DEFAULT_TAG = "serve"
_MAIN_OP = "saved_model_main_op"
_ASSETS = "saved_model_assets"
_ASSET_TYPE_URL = "type.googleapis.com/tensorflow.AssetFileDef"
_INIT_NODE = "tffreeze_init"
_SPARSE_PARTS = ("values", "indices", "dense_shape")
_KEPT_META_INFO = (
    "stripped_op_list",
    "tensorflow_version",
    "tensorflow_git_version",
    "stripped_default_attrs",
)


def saved_model_segments(
    graph: FrozenGraph, tags: Iterable[str], meta_graph: MetaGraphDef | None
) -> list[Segment]:
    """Encode a frozen graph as a SavedModel.

    Args:
        graph: The graph to encode.
        tags: Tags of its MetaGraph; if empty, the result is tagged `serve`.
        meta_graph: The original MetaGraph; its op definitions and TensorFlow version are kept.

    Raises:
        FreezeError: GRAPH_TOO_LARGE.

    """
    graph, head = _with_head(graph, tags, meta_graph)
    contents: list[Segment] = [
        head.SerializeToString(deterministic=True),
        *nested(_META_GRAPH_GRAPH, graph_segments(graph)),
    ]
    model = SavedModel(saved_model_schema_version=_SCHEMA_VERSION)
    segments = [model.SerializeToString(deterministic=True), *nested(_SAVED_MODEL_META_GRAPH, contents)]
    check_encoded_size(graph, segments)
    return list(joined(segments))


def text_saved_model_segments(
    graph: FrozenGraph, tags: Iterable[str], meta_graph: MetaGraphDef | None, files: SourceFiles
) -> list[Segment]:
    """Encode a frozen graph as a SavedModel in text format; arguments and errors as for the binary one.

    Raises:
        FreezeError: GRAPH_TOO_LARGE; what reading the weights raises.

    """
    graph, head = _with_head(graph, tags, meta_graph)
    return list(joined(_text(graph, head, files)))


def _text(graph: FrozenGraph, head: MetaGraphDef, files: SourceFiles) -> Iterator[Segment]:
    yield text(SavedModel(saved_model_schema_version=_SCHEMA_VERSION), indent=0)
    yield b"meta_graphs {\n"
    yield text(head, indent=2)
    yield b"  graph_def {\n"
    yield from text_graph(graph, files, indent=4)
    yield b"  }\n}\n"


def _with_head(
    graph: FrozenGraph, tags: Iterable[str], meta_graph: MetaGraphDef | None
) -> tuple[FrozenGraph, MetaGraphDef]:
    """Make the MetaGraph without its graph, and the graph with one op that stands for all `init_ops`."""
    head = MetaGraphDef()
    _copy_meta_info(head, meta_graph)
    head.meta_info_def.tags.extend(sorted(tags) or [_DEFAULT_TAG])
    graph = _with_one_init_op(graph)
    if graph.init_ops:
        head.collection_def[_MAIN_OP].node_list.value.extend(graph.init_ops)
    for signature in graph.signatures:
        head.signature_def[signature.key].CopyFrom(_signature_def(signature))
    for constant, file in sorted(graph.assets.items()):
        asset = AssetFileDef(filename=file)
        asset.tensor_info.name = full_tensor_name(constant)
        head.asset_file_def.append(asset)
        head.collection_def[_ASSETS].any_list.value.add(
            type_url=_ASSET_TYPE_URL, value=asset.SerializeToString(deterministic=True)
        )
    return graph, head


def _copy_meta_info(head: MetaGraphDef, meta_graph: MetaGraphDef | None) -> None:
    head.meta_info_def.SetInParent()
    if meta_graph is None:
        return
    kept = MetaGraphDef.MetaInfoDef()
    kept.CopyFrom(meta_graph.meta_info_def)
    for field, _ in meta_graph.meta_info_def.ListFields():
        if field.name not in _KEPT_META_INFO:
            kept.ClearField(field.name)
    head.meta_info_def.CopyFrom(kept)


def _with_one_init_op(graph: FrozenGraph) -> FrozenGraph:
    """A loader takes exactly one main op: several are grouped, as tf.group does."""
    if len(graph.init_ops) <= 1:
        return graph
    taken = {node.name for node in graph.nodes}
    name = _INIT_NODE
    while name in taken:
        name += "_"
    group = new_node(name, "NoOp", tuple(f"^{op}" for op in graph.init_ops), {})
    return replace(graph, nodes=(*graph.nodes, group), init_ops=(name,))


def _signature_def(signature: Signature) -> SignatureDef:
    message = SignatureDef(method_name=signature.method_name)
    for key, info in _infos(signature.inputs):
        message.inputs[key].CopyFrom(info)
    for key, info in _infos(signature.outputs):
        message.outputs[key].CopyFrom(info)
    return message


def _infos(tensors: Mapping[str, TensorInfo]) -> Iterator[tuple[str, saved_model_pb2.TensorInfo]]:
    """Make the entries of a signature; the three components of a sparse tensor become one again."""
    sparse = {key.removesuffix("/indices") for key in tensors if key.endswith("/indices")}
    sparse = {key for key in sparse if all(f"{key}/{part}" in tensors for part in _SPARSE_PARTS)}
    components = {f"{key}/{part}" for key in sparse for part in _SPARSE_PARTS}
    for key in sorted(sparse):
        yield key, _sparse_info(*(tensors[f"{key}/{part}"] for part in _SPARSE_PARTS))
    for key, tensor in sorted(tensors.items()):
        if key not in components:
            yield key, _dense_info(tensor)


def _dense_info(tensor: TensorInfo) -> saved_model_pb2.TensorInfo:
    return saved_model_pb2.TensorInfo(
        name=full_tensor_name(tensor.tensor),
        dtype=cast("DataType", dtypes.base(tensor.dtype)),
        tensor_shape=shape_proto(tensor.shape),
    )


def _sparse_info(
    values: TensorInfo, indices: TensorInfo, dense_shape: TensorInfo
) -> saved_model_pb2.TensorInfo:
    rank = dense_shape.shape[0] if dense_shape.shape else -1
    return saved_model_pb2.TensorInfo(
        coo_sparse=saved_model_pb2.TensorInfo.CooSparse(
            values_tensor_name=full_tensor_name(values.tensor),
            indices_tensor_name=full_tensor_name(indices.tensor),
            dense_shape_tensor_name=full_tensor_name(dense_shape.tensor),
        ),
        dtype=cast("DataType", dtypes.base(values.dtype)),
        tensor_shape=shape_proto(None if rank < 0 else (-1,) * rank),
    )
