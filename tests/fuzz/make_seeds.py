"""Writes the sound seeds anew: `PYTHONPATH=tests python -m fuzz.make_seeds`. Inputs that found something stay."""

from __future__ import annotations

import struct
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.message import Message

from checkpoint.bundle_writer import write_bundle, write_v1
from fuzz.files import SEEDS, TENSORS, VARIABLES, folder, samples
from tffreeze.v1 import freeze_service_pb2, report_pb2
from tffreeze_server.tensors import crc32c
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.op_def_pb2 import OpList
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel, SaverDef
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

FIXTURES = Path(__file__).parents[1] / "fixtures"

FUNCTIONS = """
node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: -1 } } } } }
node { name: "p" op: "Placeholder" attr { key: "dtype" value { type: DT_BOOL } } }
node { name: "v" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: 2 } dim { size: 2 } } } }
       attr { key: "shared_name" value { s: "v" } } }
node { name: "c" op: "StatefulPartitionedCall" input: "x" input: "v"
       attr { key: "Tin" value { list { type: DT_FLOAT type: DT_RESOURCE } } }
       attr { key: "Tout" value { list { type: DT_FLOAT } } } attr { key: "f" value { func { name: "call" } } } }
node { name: "if" op: "If" input: "p" input: "c" input: "v"
       attr { key: "Tcond" value { type: DT_BOOL } }
       attr { key: "Tin" value { list { type: DT_FLOAT type: DT_RESOURCE } } }
       attr { key: "Tout" value { list { type: DT_FLOAT } } }
       attr { key: "then_branch" value { func { name: "call" } } }
       attr { key: "else_branch" value { func { name: "same" } } } }
node { name: "y" op: "Identity" input: "if" attr { key: "T" value { type: DT_FLOAT } } }
library {
  function { signature { name: "call" input_arg { name: "a" type: DT_FLOAT } input_arg { name: "h" type: DT_RESOURCE }
               output_arg { name: "o" type: DT_FLOAT } control_output: "n" }
    node_def { name: "r" op: "ReadVariableOp" input: "h" attr { key: "dtype" value { type: DT_FLOAT } } }
    node_def { name: "s" op: "Add" input: "a" input: "r:value:0" attr { key: "T" value { type: DT_FLOAT } } }
    node_def { name: "n" op: "NoOp" input: "^s" }
    ret { key: "o" value: "s:z:0" } control_ret { key: "n" value: "n" } }
  function { signature { name: "same" input_arg { name: "a" type: DT_FLOAT } input_arg { name: "h" type: DT_RESOURCE }
               output_arg { name: "o" type: DT_FLOAT } }
    node_def { name: "i" op: "Identity" input: "a" attr { key: "T" value { type: DT_FLOAT } } }
    ret { key: "o" value: "i:output:0" } }
}
versions { producer: 1882 }
"""
RESTORE = """
node { name: "f" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
       attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { } string_val: "m" } } } }
node { name: "n" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
       attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: "v" } } } }
node { name: "z" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
       attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: "" } } } }
node { name: "rv" op: "RestoreV2" input: "f" input: "n" input: "z"
       attr { key: "dtypes" value { list { type: DT_FLOAT } } } }
node { name: "as" op: "Assign" input: "v" input: "rv" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "save/restore_all" op: "NoOp" input: "^as" }
"""
INITIALIZERS = """
node { name: "q" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape { dim { size: 2 } } } } }
node { name: "one" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 1 } } } }
node { name: "pack" op: "Pack" input: "one" input: "one" attr { key: "N" value { i: 2 } }
       attr { key: "T" value { type: DT_FLOAT } } }
node { name: "q/Assign" op: "Assign" input: "q" input: "pack" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "init" op: "NoOp" input: "^q/Assign" }
node { name: "t" op: "HashTableV2" attr { key: "key_dtype" value { type: DT_STRING } }
       attr { key: "value_dtype" value { type: DT_INT64 } } attr { key: "shared_name" value { s: "t" } } }
node { name: "while/e" op: "Enter" input: "q" attr { key: "T" value { type: DT_FLOAT_REF } }
       attr { key: "frame_name" value { s: "f" } } }
node { name: "y" op: "Identity" input: "q" attr { key: "T" value { type: DT_FLOAT } } }
"""
OPS = """
op { name: "Own" input_arg { name: "a" type: DT_FLOAT } output_arg { name: "o" type_attr: "T" }
     attr { name: "T" type: "type" default_value { type: DT_FLOAT } } }
"""
SIGNATURE = """
key: "serving_default" value {
  inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
  outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT tensor_shape { unknown_rank: true } } }
  method_name: "tensorflow/serving/predict" }
"""


def main() -> None:
    """Write them."""
    for name, graph in _graphs().items():
        _write("freeze_graph", name, graph.SerializeToString())
        _write("wire", name, graph.SerializeToString())
        _write("text", name, b"\0" + text_format.MessageToString(graph).encode())
    _write("freeze_graph", "text", text_format.MessageToString(_graphs()["functions"]).encode())
    _write("freeze_graph", "v1_graph", (FIXTURES / "graph_v1" / "graph.pbtxt").read_bytes())
    _write("freeze_saved_model", "saved_model", _saved_model().SerializeToString())
    _write("wire", "saved_model", _saved_model().SerializeToString())
    _write("text", "saved_model", b"\2" + text_format.MessageToString(_saved_model()).encode())
    prefix = write_bundle(folder() / "bundle", TENSORS)
    snappy = write_bundle(folder() / "snappy", TENSORS, snappy=True)
    for target in ("bundle_index", "freeze_bundle", "table"):
        _write(target, "bundle", prefix.with_name("bundle.index").read_bytes())
        _write(target, "snappy", snappy.with_name("snappy.index").read_bytes())
        _write(target, "digits", (FIXTURES / "digits/variables/variables.index").read_bytes())
    for target in ("v1_table", "freeze_v1", "table"):
        _write(target, "v1", _v1())
        _write(target, "v1_fixture", (FIXTURES / "graph_v1" / "model").read_bytes())
    for dtype, value in enumerate(_v1_values()):
        _write("v1_value", f"value{dtype}", value)
    _write(
        "ordered_code", "pair", b"\2vx" + struct.pack("<2q", 0, -1) + b"\2v\0" + struct.pack("<2q", 1, 300)
    )
    _write("strings", "two", b"\2\3\3onetwo")
    saver = SaverDef(restore_op_name="r", filename_tensor_name="v:0", save_tensor_name="i:0")
    _both("saver", saver)
    _both("op_list", text_format.Parse(OPS, OpList()))
    _write("checkpoint_state", "relative", (FIXTURES / "graph_v1" / "checkpoint").read_bytes())
    _write("checkpoint_state", "absolute", b'model_checkpoint_path: "/a/\\303\\244/model"\n')
    _write("client_stream", "stream", _stream())


def _graphs() -> dict[str, GraphDef]:
    texts = {
        "variables": VARIABLES,
        "functions": FUNCTIONS,
        "restore": VARIABLES + RESTORE,
        "initializers": VARIABLES + INITIALIZERS,
    }
    return {name: text_format.Parse(text, GraphDef()) for name, text in texts.items()}


def _saved_model() -> SavedModel:
    model = SavedModel(saved_model_schema_version=1)
    meta = model.meta_graphs.add(graph_def=_graphs()["functions"])
    meta.meta_info_def.tags.append("serve")
    meta.meta_info_def.stripped_op_list.CopyFrom(text_format.Parse(OPS, OpList()))
    text_format.Parse(f"signature_def {{ {SIGNATURE} }}", meta)
    meta.collection_def["legacy_init_op"].node_list.value.append("y")
    return model


def _v1() -> bytes:
    floats = TensorProto(dtype=1, float_val=[1, 2, 3, 4])
    path = folder() / "v1"
    write_v1(
        path,
        [
            ("b", 1, (3,), [(0, -1)], TensorProto(dtype=1, float_val=[1, 2, 3])),
            ("s", 7, (2,), [(0, -1)], TensorProto(dtype=7, string_val=[b"one", b"two"])),
            ("v", 1, (2, 2), [(0, -1), (0, -1)], floats),
            ("w", 1, (4,), [(0, 2)], TensorProto(dtype=1, float_val=[5, 6])),
            ("w", 1, (4,), [(2, 2)], TensorProto(dtype=1, float_val=[7, 8])),
        ],
    )
    return path.read_bytes()


def _v1_values() -> list[bytes]:
    protos = [
        TensorProto(float_val=[1, 2]),
        TensorProto(double_val=[1, 2]),
        TensorProto(int_val=[-1, 2]),
    ]
    found = []
    for which, proto in enumerate(protos):
        tensor = proto.SerializeToString()
        inner = b"\x1a" + bytes([len(tensor)]) + tensor
        found.append(bytes([which, 2]) + b"\x12" + bytes([len(inner)]) + inner)
    return found


def _stream() -> bytes:
    result = b"head" + samples().declared[0].path.read_bytes()[1:5]
    checksum = crc32c.extend(0, result)
    started = freeze_service_pb2.FreezeStarted(
        files=[freeze_service_pb2.OutputFile(name="frozen.pb", size_bytes=len(result), crc32c=checksum)],
        delivery=freeze_service_pb2.DELIVERY_SPLICE,
        total_size_bytes=len(result),
        report=report_pb2.Report(size_bytes=len(result), crc32c=f"{checksum:08x}"),
    )
    splice = freeze_service_pb2.SpliceSegments(
        segments=[
            freeze_service_pb2.SpliceSegment(literal=b"head"),
            freeze_service_pb2.SpliceSegment(
                range=freeze_service_pb2.SourceRange(file_index=0, offset_bytes=1, length_bytes=4)
            ),
        ]
    )
    messages = [
        freeze_service_pb2.FreezeResponse(started=started),
        freeze_service_pb2.FreezeResponse(splice=splice),
        freeze_service_pb2.FreezeResponse(finished=freeze_service_pb2.FreezeFinished()),
    ]
    parts = [message.SerializeToString() for message in messages]
    return b"".join(struct.pack("<H", len(part)) + part for part in parts)


def _both(target: str, message: Message) -> None:
    _write(target, "binary", message.SerializeToString())
    _write(target, "text", text_format.MessageToString(message).encode())


def _write(target: str, name: str, data: bytes) -> None:
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
