"""Targets that are the whole freeze, the graph written and read again."""

from __future__ import annotations

import io
import zlib

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from fuzz.files import folder, samples
from fuzz.judge import Finding
from tffreeze_server.emit.emit import write_stream
from tffreeze_server.freeze import freeze
from tffreeze_server.graph.load import load
from tffreeze_server.graph.node import Node
from tffreeze_server.inspection.inspect import inspect
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.saved_model_pb2 import SavedModel

_MAX_OUTPUTS = 3


def graph(data: bytes) -> None:
    """A GraphDef, or any model, beside a checkpoint of variables `b`, `v` and `w`."""
    path = folder() / "model.pb"
    path.write_bytes(data)
    dice = zlib.crc32(data)
    _freeze(ModelSource(path, checkpoint=samples().checkpoint if dice & 3 << 14 else None), dice)


def saved_model(data: bytes) -> None:
    """A SavedModel with a checkpoint of its own."""
    place = folder() / "saved"
    if not place.exists():
        (place / "variables").mkdir(parents=True)
        for file in samples().checkpoint.parent.glob("checkpoint.*"):
            name = file.name.replace("checkpoint", "variables", 1)
            (place / "variables" / name).write_bytes(file.read_bytes())
    (place / "saved_model.pb").write_bytes(data)
    _freeze(ModelSource(place), zlib.crc32(data))


def bundle(data: bytes) -> None:
    """The index of the checkpoint of a sound model."""
    prefix = folder() / "bundle"
    prefix.with_name("bundle.index").write_bytes(data)
    prefix.with_name("bundle.data-00000-of-00001").write_bytes(samples().weights)
    _freeze(ModelSource(samples().model, checkpoint=prefix), zlib.crc32(data))


def v1(data: bytes) -> None:
    """The V1 checkpoint of a sound model."""
    path = folder() / "v1"
    path.write_bytes(data)
    _freeze(ModelSource(samples().model, checkpoint=path), zlib.crc32(data))


def _freeze(source: ModelSource, dice: int) -> None:
    """Freeze as the dice say, and read what was written."""
    if dice & 7 == 7:
        inspect(source, FreezeOptions())
        return
    as_text, as_saved_model = bool(dice & 16), bool(dice & 32)
    model = load(source, FreezeOptions())
    outputs = () if model.signatures and dice & 64 else _some(model.nodes, dice >> 16)
    options = FreezeOptions(
        output_nodes=outputs,
        as_text=as_text,
        as_saved_model=as_saved_model,
        rename_io=bool(dice & 256) and not outputs,
        clear_devices=bool(dice & 512),
        deny=("v",) if dice & 3072 == 3072 and not as_saved_model else (),
        moving_average=dice & 12288 == 12288,
    )
    result = freeze(source, options)
    stream = io.BytesIO()
    write_stream(result.plan, stream)
    _check_readable(stream.getvalue(), SavedModel() if as_saved_model else GraphDef(), as_text=as_text)
    if len(stream.getvalue()) != result.plan.size_bytes:
        raise Finding(f"{result.plan.size_bytes} bytes were promised, {len(stream.getvalue())} came")


def _some(nodes: tuple[Node, ...], dice: int) -> tuple[str, ...]:
    """The names of some nodes that follow each other, mostly the last."""
    end = len(nodes) if dice & 1 else dice % (len(nodes) + 1)
    return tuple(node.name for node in nodes[max(end - _MAX_OUTPUTS, 0) : end])


def _check_readable(data: bytes, message: Message, *, as_text: bool) -> None:
    try:
        if as_text:
            text_format.Parse(data.decode(), message)
            message.SerializeToString()
        else:
            message.MergeFromString(data)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise Finding(f"no protobuf parser reads what was written: {error}") from error
