"""The parameters of TensorFlow's `freeze_graph`."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_RESTORE_OP = "save/restore_all"
DEFAULT_FILENAME_TENSOR = "save/Const:0"


@dataclass(frozen=True, slots=True)
class FreezeGraphFlags:
    """The parameters of the original, and what they default to on its command line."""

    input_graph: str | None = ""
    input_saver: str | None = ""
    input_binary: bool = False
    input_checkpoint: str | None = ""
    output_node_names: str = ""
    restore_op_name: str | None = DEFAULT_RESTORE_OP
    filename_tensor_name: str | None = DEFAULT_FILENAME_TENSOR
    output_graph: str | None = ""
    clear_devices: bool = True
    initializer_nodes: str | None = ""
    variable_names_whitelist: str | None = ""
    variable_names_denylist: str | None = ""
    input_meta_graph: str | bool | None = ""
    input_saved_model_dir: str | None = ""
    saved_model_tags: str | None = "serve"
    checkpoint_version: int = 2
