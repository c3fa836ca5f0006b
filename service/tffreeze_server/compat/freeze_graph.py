"""A drop-in replacement for `tensorflow/python/tools/freeze_graph.py` of TensorFlow 2.21.

It has the same parameters in the same order, and its results run like the original's. It fixes these faults of the
original:

- The original ignores `restore_op_name` and `filename_tensor_name`; here they are used. Callers often pass the
  defaults (`save/restore_all`, `save/Const:0`) although the graph has no such ops. So the defaults are ignored if
  they do not exist.
- The original ignores `initializer_nodes` together with `input_saver` or `input_saved_model_dir`; here they always
  apply.
- Partitioned variables and V1 checkpoints in SavedModels work.
- `input_binary` is ignored, and `checkpoint_version` is only checked to be 1 or 2: the files show their format.
- An unknown name in `variable_names_whitelist` or `variable_names_denylist` is an error. The original silently
  freezes fewer or more variables.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tffreeze_common.freeze_graph_flags import DEFAULT_FILENAME_TENSOR, DEFAULT_RESTORE_OP, FreezeGraphFlags
from tffreeze_files.writer import check_target
from tffreeze_server.checkpoint.find_checkpoint import find_checkpoint
from tffreeze_server.emit.emit import chunks, output_failures, write_file
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.freeze import FreezeResult, freeze
from tffreeze_server.graph.find_model import find_model
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tensors.files import SourceFiles

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?![\w-])")
_OWN_FLAGS = {
    "--allow": "--variable_names_whitelist",
    "--checkpoint": "--input_checkpoint",
    "--deny": "--variable_names_denylist",
    "--filename-tensor": "--filename_tensor_name",
    "--output-nodes": "--output_node_names",
    "--restore-op": "--restore_op_name",
    "--saver": "--input_saver",
    "--tags": "--saved_model_tags",
}
"""For each flag of `tffreeze freeze` in the engine's messages, the flag of this tool."""


def freeze_graph(  # noqa: PLR0913, PLR0917 - the original's parameters
    input_graph: str | None,
    input_saver: str | None,
    input_binary: bool,
    input_checkpoint: str | None,
    output_node_names: str,
    restore_op_name: str | None,
    filename_tensor_name: str | None,
    output_graph: str | None,
    clear_devices: bool,
    initializer_nodes: str | None,
    variable_names_whitelist: str | None = "",
    variable_names_denylist: str | None = "",
    input_meta_graph: str | bool | None = None,
    input_saved_model_dir: str | None = None,
    saved_model_tags: str = "serve",
    checkpoint_version: int = 2,
) -> Message:
    """Convert all variables of a graph and its checkpoint into constants.

    Args:
        input_graph: A GraphDef file, binary or text.
        input_saver: A SaverDef file, binary or text; empty: none.
        input_binary: Ignored: detected from the file.
        input_checkpoint: The checkpoint, V1 or V2; not used with `input_saved_model_dir`.
        output_node_names: Output nodes, comma separated.
        restore_op_name: The saver's restore op.
        filename_tensor_name: The saver's filename tensor.
        output_graph: Path of the frozen GraphDef; empty: it is not written.
        clear_devices: Whether to remove device placements.
        initializer_nodes: Nodes to run before freezing, comma separated.
        variable_names_whitelist: Freeze only these variables, comma separated; empty: all.
        variable_names_denylist: Keep these variables, comma separated.
        input_meta_graph: A MetaGraphDef file, binary or text; overrides the other kinds.
        input_saved_model_dir: A SavedModel directory; overrides `input_graph`.
        saved_model_tags: Tags of the MetaGraph, comma separated.
        checkpoint_version: 1 or 2; not needed: detected from the files.

    Returns:
        The frozen GraphDef: TensorFlow's own message if TensorFlow is installed, else ours, which has the same
        fields.

    Raises:
        ValueError: For a caller's mistake: a missing checkpoint, no outputs, no variables, …
        OSError: For a missing input file, or an output that cannot be written.

    """
    flags = FreezeGraphFlags(
        input_graph,
        input_saver,
        input_binary,
        input_checkpoint,
        output_node_names,
        restore_op_name,
        filename_tensor_name,
        output_graph,
        clear_devices,
        initializer_nodes,
        variable_names_whitelist,
        variable_names_denylist,
        input_meta_graph,
        input_saved_model_dir,
        saved_model_tags,
        checkpoint_version,
    )
    return _frozen_message(flags)


def freeze_graph_with_def_protos(  # noqa: PLR0913, PLR0917 - the original's parameters
    input_graph_def: Message | None,
    input_saver_def: Message | None,
    input_checkpoint: str | None,
    output_node_names: str,
    restore_op_name: str | None,
    filename_tensor_name: str | None,
    output_graph: str | None,
    clear_devices: bool,
    initializer_nodes: str | None,
    variable_names_whitelist: str | None = "",
    variable_names_denylist: str | None = "",
    input_meta_graph_def: Message | None = None,
    input_saved_model_dir: str | None = None,
    saved_model_tags: Sequence[str] | None = None,
    checkpoint_version: int = 2,
) -> Message:
    """Convert all variables of a graph in memory and its checkpoint into constants.

    Unlike the original, it does not change its arguments.

    Args:
        input_graph_def: A GraphDef, TensorFlow's or ours.
        input_saver_def: A SaverDef; None: none.
        input_checkpoint: As for `freeze_graph`.
        output_node_names: As for `freeze_graph`.
        restore_op_name: As for `freeze_graph`.
        filename_tensor_name: As for `freeze_graph`.
        output_graph: As for `freeze_graph`.
        clear_devices: As for `freeze_graph`.
        initializer_nodes: As for `freeze_graph`.
        variable_names_whitelist: As for `freeze_graph`.
        variable_names_denylist: As for `freeze_graph`.
        input_meta_graph_def: A MetaGraphDef; overrides the other kinds.
        input_saved_model_dir: A SavedModel directory; overrides `input_graph_def`.
        saved_model_tags: Tags of the MetaGraph; None: `serve`, or the only MetaGraph.
        checkpoint_version: As for `freeze_graph`.

    Returns:
        As `freeze_graph`.

    Raises:
        As `freeze_graph`.

    """
    with tempfile.TemporaryDirectory(prefix="tffreeze-") as folder:
        model = _saved(folder, "input_graph", input_graph_def)
        saver = _saved(folder, "input_saver", input_saver_def)
        meta_graph = _saved(folder, "input_meta_graph", input_meta_graph_def)
        flags = FreezeGraphFlags(
            input_graph=model,
            input_saver=saver,
            input_meta_graph=meta_graph,
            input_checkpoint=input_checkpoint,
            output_node_names=output_node_names,
            restore_op_name=restore_op_name,
            filename_tensor_name=filename_tensor_name,
            output_graph=output_graph,
            clear_devices=clear_devices,
            initializer_nodes=initializer_nodes,
            variable_names_whitelist=variable_names_whitelist,
            variable_names_denylist=variable_names_denylist,
            input_saved_model_dir=input_saved_model_dir,
            saved_model_tags=None if saved_model_tags is None else ",".join(saved_model_tags),
            checkpoint_version=checkpoint_version,
        )
        return _frozen_message(flags)


def _saved(folder: str, name: str, message: Message | None) -> str:
    """Write a message to a file, as the engine reads models from files; return its path, empty if there is none."""
    if message is None:
        return ""
    path = Path(folder) / name
    path.write_bytes(message.SerializeToString())
    return str(path)


def _frozen_message(flags: FreezeGraphFlags) -> Message:
    """Freeze and return the GraphDef; exceptions are the original's."""
    try:
        result = freeze_to_file(flags)
        with SourceFiles(result.plan.files) as files:
            data = b"".join(chunks(result.plan, files))
    except FreezeError as error:
        raise _as_original(error) from error
    message: Message = _graph_def_class()()
    message.ParseFromString(data)
    return message


def freeze_to_file(flags: FreezeGraphFlags) -> FreezeResult:
    """Freeze into `output_graph`; if that is empty, only make the plan.

    Raises:
        FreezeError: Where the original raises an exception.

    """
    try:
        return _freeze_to_file(flags)
    except FreezeError as error:
        raise FreezeError(error.reason, own_flags(error.message), subject=error.subject) from error


def own_flags(text: str) -> str:
    """Replace the flags of `tffreeze freeze` in a text with those of `freeze_graph`."""
    return _FLAG.sub(lambda flag: _OWN_FLAGS.get(flag[0], f"{flag[0]} of `tffreeze freeze`"), text)


def _freeze_to_file(flags: FreezeGraphFlags) -> FreezeResult:
    _check(flags)
    if flags.output_graph:
        with output_failures():
            check_target(Path(flags.output_graph), _inputs(_source(flags)))
    result = _freeze(flags)
    if _is_bare(flags) and not (result.report.variables or result.report.kept_variables):
        raise FreezeError(
            Reason.INVALID_OPTION,
            "This model has no variables. It may be frozen already; as in TensorFlow's tool, this is an error. "
            "`tffreeze freeze` accepts such a graph.",
        )
    if flags.output_graph:
        write_file(result.plan, Path(flags.output_graph))
    return result


def _inputs(source: ModelSource) -> list[Path]:
    """The input files without the weights, which the plan names."""
    found = [find_model(source.model)[0], *([source.saver] if source.saver else [])]
    if source.checkpoint:
        located = find_checkpoint(source.checkpoint)
        found += [*([located.index] if located.index else []), *located.v1_files]
    return found


def _check(flags: FreezeGraphFlags) -> None:
    if flags.checkpoint_version not in (1, 2):
        raise FreezeError(
            Reason.INVALID_OPTION, f"--checkpoint_version must be 1 or 2, not {flags.checkpoint_version}."
        )
    if not (flags.input_graph or flags.input_meta_graph or flags.input_saved_model_dir):
        raise FreezeError(
            Reason.INVALID_OPTION,
            "There is no model: give --input_graph, --input_meta_graph or --input_saved_model_dir.",
        )
    if not flags.input_saved_model_dir and not flags.input_checkpoint:
        raise FreezeError(
            Reason.CHECKPOINT_NEEDED, "There is no checkpoint: give it with --input_checkpoint."
        )
    if not _split(flags.output_node_names):
        raise FreezeError(Reason.OUTPUTS_NEEDED, "There are no outputs: name nodes with --output_node_names.")


def _freeze(flags: FreezeGraphFlags) -> FreezeResult:
    """Freeze with the named saver ops. Ignore default names that the graph does not have."""
    source, options = _source(flags), _options(flags)
    restore_op, filename_tensor = flags.restore_op_name or None, flags.filename_tensor_name or None
    by_default = restore_op in (None, DEFAULT_RESTORE_OP)
    if by_default and not _is_bare(flags):
        return freeze(source, options)
    if not by_default and filename_tensor == DEFAULT_FILENAME_TENSOR:
        filename_tensor = None  # it belongs to another saver; the engine finds the right one
    try:
        return freeze(source, replace(options, restore_op=restore_op, filename_tensor=filename_tensor))
    except FreezeError as error:
        missing = error.reason in (Reason.RESTORE_OP_NOT_FOUND, Reason.FILENAME_TENSOR_NOT_FOUND)
        if not (missing and by_default and filename_tensor in (None, DEFAULT_FILENAME_TENSOR)):
            raise
    return freeze(source, options)


def _is_bare(flags: FreezeGraphFlags) -> bool:
    """Whether this is a bare GraphDef, without information about a saver."""
    return not (flags.input_saver or flags.input_meta_graph or flags.input_saved_model_dir)


def _source(flags: FreezeGraphFlags) -> ModelSource:
    model = flags.input_meta_graph or flags.input_saved_model_dir or flags.input_graph
    own = flags.input_saved_model_dir and not (flags.input_meta_graph or flags.input_saver)
    return ModelSource(
        model=Path(str(model)),
        checkpoint=Path(flags.input_checkpoint) if flags.input_checkpoint and not own else None,
        saver=Path(flags.input_saver) if flags.input_saver else None,
    )


def _options(flags: FreezeGraphFlags) -> FreezeOptions:
    is_saved_model = flags.input_saved_model_dir and not flags.input_meta_graph
    tags = flags.saved_model_tags
    return FreezeOptions(
        tags=frozenset(_split(tags)) if is_saved_model and tags is not None else None,
        output_nodes=_split(flags.output_node_names),
        clear_devices=bool(flags.clear_devices),
        allow=_split(flags.variable_names_whitelist),
        deny=_split(flags.variable_names_denylist),
        initializer_nodes=_split(flags.initializer_nodes),
    )


def _split(names: str | None) -> tuple[str, ...]:
    return tuple(name for name in (names or "").replace(" ", "").split(",") if name)


_FILE_REASONS: Sequence[Reason] = (
    Reason.MODEL_NOT_FOUND,
    Reason.FILE_NOT_READABLE,
    Reason.OUTPUT_NOT_WRITABLE,
    Reason.DISK_FULL,
)


def _as_original(error: FreezeError) -> Exception:
    """The exception that the original raises: IOError for files, else ValueError."""
    return OSError(str(error)) if error.reason in _FILE_REASONS else ValueError(str(error))


def _graph_def_class() -> Any:  # noqa: ANN401 - one of two classes with the same fields
    """TensorFlow's GraphDef if TensorFlow is installed, because callers pass it to `tf.import_graph_def`.

    Imported lazily, because nothing else here needs TensorFlow.
    """
    if importlib.util.find_spec("tensorflow") is not None:
        return importlib.import_module("tensorflow.core.framework.graph_pb2").GraphDef
    return importlib.import_module("tffreeze_server.tfproto.graph_pb2").GraphDef
