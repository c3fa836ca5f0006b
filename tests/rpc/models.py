"""Models as a client sees them, and requests to freeze them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tffreeze.v1 import freeze_service_pb2, model_pb2, options_pb2
from tffreeze_common.wire import field as wire_field
from tffreeze_common.wire import field_head
from tffreeze_server.plan.segments import nested
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tfproto.graph_pb2 import GraphDef
from tffreeze_server.tfproto.tensor_pb2 import DT_UINT8, TensorProto, TensorShapeProto

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
CHUNK_BYTES = 1 << 20

LARGE_BYTES = 1 << 28
"""More than fits into what lies between a server and a client that does not read."""

FreezeRequest, FreezeSpec = freeze_service_pb2.FreezeRequest, freeze_service_pb2.FreezeSpec
CONTENT, SPLICE = freeze_service_pb2.DELIVERY_CONTENT, freeze_service_pb2.DELIVERY_SPLICE


@dataclass(frozen=True)
class Model:
    """A model on this side, as a client sees it.

    Attributes:
        folder: Where its files are.
        model: As `ModelSource.model`.
        checkpoint: As `ModelSource.checkpoint`.
        names: Its files.
        options: How to freeze it.

    """

    folder: Path
    model: str
    names: tuple[str, ...]
    checkpoint: str = ""
    options: options_pb2.FreezeOptions = field(default_factory=options_pb2.FreezeOptions)

    @property
    def paths(self) -> list[Path]:
        """The paths of its files."""
        return [self.folder / name for name in self.names]

    def source(self, absent: Sequence[str] = ()) -> model_pb2.ModelSource:
        """The source of an upload."""
        files = [
            model_pb2.UploadedFile(name=name, size_bytes=path.stat().st_size, absent=name in absent)
            for name, path in zip(self.names, self.paths, strict=True)
        ]
        return model_pb2.ModelSource(
            upload=model_pb2.Upload(files=files), model=self.model, checkpoint=self.checkpoint
        )

    def in_root(self, root: str, below: Path) -> model_pb2.ModelSource:
        """The source of this model in a model root whose folder is `below`."""
        prefix = self.folder.relative_to(below).as_posix()
        return model_pb2.ModelSource(
            model_root=root,
            model=f"{prefix}/{self.model}",
            checkpoint=f"{prefix}/{self.checkpoint}" if self.checkpoint else "",
        )

    def chunks(
        self, absent: Sequence[str] = (), chunk_bytes: int = CHUNK_BYTES
    ) -> Iterator[model_pb2.FileChunk]:
        """Every chunk of an upload."""
        for index, path in enumerate(self.paths):
            if self.names[index] in absent:
                continue
            data = path.read_bytes()
            for start in range(0, len(data), chunk_bytes):
                piece = data[start : start + chunk_bytes]
                yield model_pb2.FileChunk(file_index=index, offset_bytes=start, data=piece)

    def requests(
        self, absent: Sequence[str] = (), chunk_bytes: int = CHUNK_BYTES, **spec: Any
    ) -> Iterator[FreezeRequest]:
        """Every request of a freeze with upload."""
        yield FreezeRequest(spec=FreezeSpec(source=self.source(absent), options=self.options, **spec))
        for chunk in self.chunks(absent, chunk_bytes):
            yield FreezeRequest(chunk=chunk)


DIGITS = Model(
    FIXTURES / "digits",
    "saved_model.pb",
    ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"),
)
MOVING_AVERAGE = Model(
    FIXTURES / "moving_average",
    "model.meta",
    ("model.meta", "model.index", "model.data-00000-of-00001"),
    "model",
    options_pb2.FreezeOptions(output_nodes=["y"]),
)
GRAPH_V1 = Model(
    FIXTURES / "graph_v1",
    "graph.pbtxt",
    ("graph.pbtxt", "model"),
    "model",
    options_pb2.FreezeOptions(output_nodes=["y"]),
)


WITH_ASSET = """
saved_model_schema_version: 1
meta_graphs {
  meta_info_def { tags: "serve" }
  graph_def {
    node { name: "asset" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
      attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape {} string_val: "words.txt" } } } }
    node { name: "y" op: "Identity" input: "asset" attr { key: "T" value { type: DT_STRING } } }
  }
  signature_def { key: "serving_default" value {
    outputs { key: "y" value { name: "y:0" dtype: DT_STRING tensor_shape {} } } } }
  asset_file_def { tensor_info { name: "asset:0" } filename: "words.txt" }
}
"""
"""A SavedModel that gives the path of its asset `words.txt`."""


def large_model(folder: Path) -> Path:
    """A frozen graph that is one constant of LARGE_BYTES zeros, in a file with a hole."""
    head = GraphDef().node.add(name="large", op="Const")
    head.attr["dtype"].type = DT_UINT8
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=LARGE_BYTES)])
    tensor = TensorProto(dtype=DT_UINT8, tensor_shape=shape).SerializeToString()
    content = FileRange("", 0, LARGE_BYTES, None)
    # NodeDef.attr = 5, AttrValue.tensor = 8, TensorProto.tensor_content = 4
    value = nested(8, [tensor, field_head(4, LARGE_BYTES), content])
    attr = nested(5, [wire_field(1, b"value"), *nested(2, value)])
    folder.mkdir()
    path = folder / "large.pb"
    with path.open("wb") as stream:
        for segment in nested(1, [head.SerializeToString(), *attr]):
            if isinstance(segment, bytes):
                stream.write(segment)
            else:
                stream.truncate(stream.tell() + segment.length_bytes)
    return path


def large_request() -> FreezeRequest:
    """Freeze the large model of the model root `large`."""
    spec = FreezeSpec(source=model_pb2.ModelSource(model_root="large", model="large.pb"))
    spec.options.output_nodes.append("large")
    return FreezeRequest(spec=spec)
