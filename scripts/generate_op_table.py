#!/usr/bin/env python3
"""Generate the bundled table of op definitions from the registry of the installed TensorFlow.

Without arguments it is written; with `--check` what is not fresh is named, and the command that mends it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
TABLE = REPO / "service/tffreeze_server/graph/op_table.binpb"
sys.path.insert(0, str(REPO / "service"))

from tffreeze_server.tfproto.op_def_pb2 import OpDef, OpList  # noqa: E402 - needs the path above
from tffreeze_server.tfproto.saved_model_pb2 import MetaGraphDef  # noqa: E402


def main() -> int:
    """Generate or check; 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(description="Generate the bundled table of op definitions.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it is not fresh")
    args = parser.parse_args()
    version, registered = _registry()
    table = _table(version, registered).SerializeToString(deterministic=True)
    if not args.check:
        TABLE.write_bytes(table)
        print(f"{len(registered.op)} ops of TensorFlow {version}, {len(table)} bytes.")
        return 0
    if TABLE.is_file() and TABLE.read_bytes() == table:
        return 0
    print(f"{TABLE.relative_to(REPO)} is not what TensorFlow {version} registers.")
    print("Mend it with: python scripts/generate_op_table.py")
    return 1


def _registry() -> tuple[str, OpList]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Late: the environment has to be set first, and TensorFlow takes seconds that --help need not.
    import tensorflow as tf
    from tensorflow.python.client import pywrap_tf_session

    registered = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return tf.__version__, OpList.FromString(registered)


def _table(version: str, registered: OpList) -> MetaGraphDef.MetaInfoDef:
    ops = OpList()
    ops.op.extend(sorted(map(_stripped, registered.op), key=lambda op: op.name))
    return MetaGraphDef.MetaInfoDef(stripped_op_list=ops, tensorflow_version=version)


def _stripped(op: OpDef) -> OpDef:
    """Keep what decides the arguments of a node: less to ship, less to load."""
    return OpDef(
        name=op.name,
        input_arg=map(_stripped_arg, op.input_arg),
        output_arg=map(_stripped_arg, op.output_arg),
        attr=map(_stripped_attr, op.attr),
        is_stateful=op.is_stateful,
        allows_uninitialized_input=op.allows_uninitialized_input,
    )


def _stripped_arg(arg: OpDef.ArgDef) -> OpDef.ArgDef:
    return OpDef.ArgDef(
        name=arg.name,
        type=arg.type,
        type_attr=arg.type_attr,
        number_attr=arg.number_attr,
        type_list_attr=arg.type_list_attr,
        is_ref=arg.is_ref,
    )


def _stripped_attr(attr: OpDef.AttrDef) -> OpDef.AttrDef:
    default = attr.default_value if attr.HasField("default_value") else None
    return OpDef.AttrDef(name=attr.name, type=attr.type, default_value=default)


if __name__ == "__main__":
    sys.exit(main())
