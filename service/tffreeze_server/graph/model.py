"""A model as it was read: one MetaGraph chosen, nothing resolved yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tffreeze_common.report import ModelKind
from tffreeze_server.budget import Budget
from tffreeze_server.graph.node import Node
from tffreeze_server.graph.op_table import OpDefs
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a signature.

    Attributes:
        tensor: Its name in the graph, `node:index`.
        dtype: The number of a `DataType`, never a ref type; 0 where unknown.
        shape: Sizes, -1 where open; None where the rank is unknown.

    """

    tensor: str
    dtype: int
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of a SavedModel or MetaGraph.

    Composite tensors (sparse, ragged) are given as their components, `key/values` and the like.

    Attributes:
        key: The signature key, such as `serving_default`.
        method_name: Such as `tensorflow/serving/predict`.
        inputs: By key, in the order of the keys.
        outputs: By key, in the order of the keys.

    """

    key: str
    method_name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


@dataclass(frozen=True, slots=True)
class Saver:
    """What a SaverDef says, or the caller in its stead.

    Attributes:
        restore_op: The node to run to restore, without `^` or `:0`.
        filename_tensor: The tensor the checkpoint prefix is fed to, `node:index`; empty where unknown.
        origin: Where it was found, for messages: `the MetaGraph's saver_def`, `--saver FILE`, `--restore-op`.

    """

    restore_op: str
    filename_tensor: str
    origin: str


@dataclass(frozen=True, slots=True)
class Model:
    """A graph and what belongs to it.

    Attributes:
        kind: What it was read from.
        name: What the caller calls it: the last part of its path.
        tags: Of the chosen MetaGraph.
        all_tags: Of every MetaGraph there is.
        nodes: The nodes of the graph, in file order. Large constants are held by reference (`Node.value`).
        library: Functions by name.
        versions: The GraphDef's `versions`, as a GraphDef with nothing else in it.
        op_defs: Definitions of the ops, the model's own first.
        signatures: By key. Without those that only the loader uses (`__saved_model_init_op`).
        savers: Savers found in the model, the most authoritative first.
        init_ops: Nodes that a loader runs after the restore, in order.
        assets: File name below `assets/` by name of the tensor that the loader feeds its path to.
        meta_graph: The rest of the MetaGraphDef (collections, object graph, meta info), its graph emptied;
            None for a bare GraphDef.
        checkpoint: Where the SavedModel's own checkpoint would be, or the checkpoint found beside a `.meta` file;
            None where there is none, or the caller names another.
        assets_dir: The folder of assets beside the model.
        files: Paths of the files that references in `nodes` name.
        budget: What a freeze of it may still cost; all that comes after `load` draws from it.

    """

    kind: ModelKind
    name: str
    tags: frozenset[str]
    all_tags: tuple[frozenset[str], ...]
    nodes: tuple[Node, ...]
    library: Mapping[str, FunctionDef]
    versions: GraphDef
    op_defs: OpDefs
    signatures: Mapping[str, Signature]
    savers: tuple[Saver, ...]
    init_ops: tuple[str, ...]
    assets: Mapping[str, str]
    meta_graph: MetaGraphDef | None
    checkpoint: Path | None
    assets_dir: Path
    files: Mapping[str, Path]
    budget: Budget
