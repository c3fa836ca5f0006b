"""From files to a `Model`: find the file, tell what it holds, choose the MetaGraph, read its graph."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import DecodeError

from tffreeze_common.report import ModelKind
from tffreeze_common.wire import WireError
from tffreeze_files.layout import checkpoint_beside, own_checkpoint
from tffreeze_server.budget import Budget
from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.assets import assets
from tffreeze_server.graph.detect import is_text
from tffreeze_server.graph.file_bytes import FileBytes
from tffreeze_server.graph.find_model import find_model
from tffreeze_server.graph.model import Model, Saver
from tffreeze_server.graph.model_file import MetaGraphPart, ModelFile, read_file, read_nodes
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.op_table import is_tensorflow_op, op_defs
from tffreeze_server.graph.savers import init_ops, savers
from tffreeze_server.graph.signatures import signatures
from tffreeze_server.graph.tags import choose
from tffreeze_server.graph.text import HEAD_BYTES, parse_text
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.parse import parse
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef
from tffreeze_server.tfproto.op_def_pb2 import OpList
from tffreeze_server.tfproto.saved_model_pb2 import SaverDef

M = TypeVar("M", SaverDef, OpList)

_MAX_SMALL_BYTES = 1 << 26


def load(source: ModelSource, options: FreezeOptions) -> Model:
    """Read a model, and make the budget of its freeze.

    Args:
        source: The model's directory or file, and the caller's SaverDef and OpList.
        options: Whose `tags` choose the MetaGraph, and whose `restore_op` and `filename_tensor` stand above
            what the model says of its saver.

    Raises:
        FreezeError: MODEL_NOT_FOUND, UNSUPPORTED_MODEL, FILE_NOT_READABLE, MALFORMED_MODEL, TAGS_NOT_FOUND,
            RESTORE_OP_NOT_FOUND, FILENAME_TENSOR_NOT_FOUND, INVALID_OPTION for an initializer node that is not there.

    """
    path, name = find_model(source.model)
    budget = Budget()
    given_saver = _read_small(source.saver, SaverDef, budget)
    given_ops = _read_small(source.op_list, OpList, budget)
    with _no_garbage_collection(), FileBytes(path, path.name) as data:
        try:
            file = read_file(data)
            part = _choose(file, options, name)
            nodes, rest = read_nodes(data, part.graph)
        except (WireError, DecodeError) as error:
            raise _malformed(path.name, str(error)) from None
        by_reference = (n.value.data for n in nodes if n.value is not None)
    weights_bytes = sum(range.length_bytes for range in by_reference if isinstance(range, FileRange))
    budget.add_input(data.size_bytes - weights_bytes)
    names = _checked_names(nodes, path.name)
    meta_graph = part.meta_graph if file.kind is not ModelKind.GRAPH_DEF else None
    found_savers = savers(options, given_saver, meta_graph)
    _check_given(options, found_savers, given_saver, names)
    return Model(
        kind=file.kind,
        name=name,
        tags=part.tags,
        all_tags=tuple([each.tags for each in file.parts]),
        nodes=tuple(nodes),
        library=_library(rest, path.name),
        versions=GraphDef(versions=rest.versions),
        op_defs=op_defs(_joined(part.meta_graph.meta_info_def.stripped_op_list, given_ops)),
        signatures=signatures(part.meta_graph),
        savers=found_savers,
        init_ops=init_ops(meta_graph),
        assets=assets(part.meta_graph),
        meta_graph=meta_graph,
        checkpoint=_own_checkpoint(path, file.kind) if source.checkpoint is None else None,
        assets_dir=path.parent / "assets",
        files={path.name: path} if any(node.value is not None for node in nodes) else {},
        budget=budget,
    )


def _own_checkpoint(path: Path, kind: ModelKind) -> Path | None:
    """The checkpoint that was written together with the model."""
    if kind is ModelKind.SAVED_MODEL:
        return own_checkpoint(path.parent)
    return checkpoint_beside(path) if kind is ModelKind.META_GRAPH else None


def _choose(file: ModelFile, options: FreezeOptions, name: str) -> MetaGraphPart:
    if not file.parts:
        raise _malformed(name, "it has no MetaGraph")
    return file.parts[choose(options.tags, [part.tags for part in file.parts], name)]


def _joined(own: OpList, given: OpList | None) -> OpList:
    ops = OpList()
    ops.MergeFrom(own)
    ops.MergeFrom(given or OpList())
    return ops


def _library(rest: GraphDef, file: str) -> dict[str, FunctionDef]:
    library = {function.signature.name: function for function in rest.library.function}
    if len(library) != len(rest.library.function):
        twice = Counter(function.signature.name for function in rest.library.function).most_common(1)[0][0]
        raise _malformed(file, f"two of its functions have the name {twice!r}")
    taken = next((name for name in library if is_tensorflow_op(name)), None)
    if taken is not None:  # TensorFlow refuses it too (core/framework/function.cc, AddFunctionDefHelper).
        raise _malformed(file, f"its function {taken!r} has the name of an op of TensorFlow")
    return library


def _checked_names(nodes: Sequence[Node], file: str) -> set[str]:
    """The names of the nodes: they must tell nodes apart, and every node must say what it does."""
    names = {node.name for node in nodes}
    if len(names) != len(nodes):
        twice = Counter(node.name for node in nodes).most_common(1)[0][0]
        raise _malformed(file, f"two of its nodes have the name {twice!r}")
    if "" in names:
        raise _malformed(file, "a node of it has no name")
    for node in nodes:
        if not node.op:
            raise _malformed(file, f"its node {node.name!r} has no op")
    return names


def _check_given(
    options: FreezeOptions, found: Sequence[Saver], given: SaverDef | None, names: set[str]
) -> None:
    """What the caller names must be there; what the model names is looked at when it is needed."""
    if found and (options.restore_op is not None or given is not None) and found[0].restore_op not in names:
        raise FreezeError(
            Reason.RESTORE_OP_NOT_FOUND,
            f"The graph has no node {found[0].restore_op!r}, the restore op of {found[0].origin}. "
            + nearest(found[0].restore_op, _likely(names, found[0].restore_op, "restore")),
            subject=found[0].restore_op,
        )
    wanted = options.filename_tensor or (given.filename_tensor_name if given else "")
    if wanted and node_of(wanted) not in names:
        origin = "--filename-tensor" if options.filename_tensor else "--saver"
        raise FreezeError(
            Reason.FILENAME_TENSOR_NOT_FOUND,
            f"The graph has no node {node_of(wanted)!r}, the filename tensor of {origin}. "
            + nearest(node_of(wanted), _likely(names, node_of(wanted), "save")),
            subject=wanted,
        )
    for node in options.initializer_nodes:
        if node not in names:
            raise FreezeError(
                Reason.INVALID_OPTION,
                f"The graph has no node {node!r}, which is to run after the restore (initializer nodes). "
                f"{nearest(node, names)}",
                subject=node,
            )


def _likely(names: set[str], wanted: str, word: str) -> set[str]:
    """The names worth a suggestion: those that look like a saver's, or end alike; else all."""
    last = wanted.rsplit("/", 1)[-1]
    return {name for name in names if word in name or name.endswith(last)} or names


def _read_small(path: Path | None, message_type: type[M], budget: Budget) -> M | None:
    """A SaverDef or OpList from a file, binary or text."""
    if path is None:
        return None
    with FileBytes(path, path.name) as data:
        if data.size_bytes > _MAX_SMALL_BYTES:
            raise _malformed(path.name, f"it is too large for a {message_type.DESCRIPTOR.name}")
        content = data.read(0, data.size_bytes)
        budget.add_input(data.size_bytes)
    if is_text(content[:HEAD_BYTES], message_type):
        return parse_text(content, message_type, path.name)
    try:
        return parse(message_type, content)
    except DecodeError:
        raise _malformed(path.name, f"it is no {message_type.DESCRIPTOR.name}, binary or text") from None


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A million new objects and no garbage: collecting between them takes longer than all the rest."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _malformed(file: str, why: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The file {file!r} is not a sound model: {why}. Copy it again, or export the model again.",
        subject=file,
    )
