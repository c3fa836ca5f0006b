"""Models made by TensorFlow on the spot, and the values found for their variables as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.errors import FreezeError
from tffreeze_server.graph.functions import functions_of
from tffreeze_server.graph.load import load
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.graph.ops import VARIABLE_OPS
from tffreeze_server.graph.variables import Binding, variables_of
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.resolve.resolve import Sources
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles

tf = pytest.importorskip("tensorflow")
np = pytest.importorskip("numpy")
tf1 = tf.compat.v1
tensor_pb2 = pytest.importorskip("tensorflow.core.framework.tensor_pb2")


def _sources(model: Model, checkpoint: Checkpoint | None, options: FreezeOptions) -> Sources:
    return Sources(model, checkpoint, options, functions_of(model))


class Resolved:
    """A model with its checkpoint and the bindings of its variables, by variable name."""

    def __init__(
        self, path: Path, checkpoint: Path | None, *, names: tuple[str, ...] = (), **options: Any
    ) -> None:
        settings = FreezeOptions(**options)
        self.model: Model = load(ModelSource(path), settings)
        self.checkpoint: Checkpoint | None = open_checkpoint(checkpoint) if checkpoint else None
        variables = [
            v for v in variables_of(self.model.nodes, VARIABLE_OPS).values() if not names or v.name in names
        ]
        sources = _sources(self.model, self.checkpoint, settings)
        found = [sources.binding(variable) for variable in variables]
        assert variables == [binding.variable for binding in found]
        self.bindings: dict[str, Binding] = {binding.variable.name: binding for binding in found}

    def array(self, name: str) -> Any:
        """The value of a variable."""
        files = {**self.model.files, **(self.checkpoint.files if self.checkpoint else {})}
        return array(self.bindings[name].value, files)

    def keys(self) -> dict[str, tuple[str, str]]:
        """By variable, where its value comes from: source and key."""
        return {name: (binding.source, binding.key) for name, binding in self.bindings.items()}


def array(value: TensorValue, files: Mapping[str, Path]) -> Any:
    """A value as an array."""
    if isinstance(value.data, FileRange | Assembled):
        dtype = tf.as_dtype(value.dtype).as_numpy_dtype
        with SourceFiles(files) as source:
            data = (
                source.pread(value.data.file, value.data.length_bytes, value.data.offset_bytes)
                if isinstance(value.data, FileRange)
                else b"".join(value.data.chunks(source))
            )
        return np.frombuffer(data, dtype).reshape(value.shape)
    proto = tensor_pb2.TensorProto.FromString(value.data.SerializeToString())
    result = tf.make_ndarray(proto)
    assert tuple(result.shape) == value.shape
    return result


def failure(path: Path, checkpoint: Path | None, **options: Any) -> FreezeError:
    """The error that resolving ends in."""
    with pytest.raises(FreezeError) as caught:
        Resolved(path, checkpoint, **options)
    return caught.value


def export(folder: Path, saver: Any = None, *, name: str = "graph.meta", **kwargs: Any) -> Path:
    """Write the default graph as a MetaGraphDef."""
    path = folder / name
    tf1.train.export_meta_graph(str(path), saver_def=saver.as_saver_def() if saver else None, **kwargs)
    return path


def bare(folder: Path, name: str = "graph.pb") -> Path:
    """Write the default graph as a GraphDef."""
    path = folder / name
    path.write_bytes(tf1.get_default_graph().as_graph_def().SerializeToString())
    return path


def save(folder: Path, saver: Any, session: Any, name: str = "model") -> Path:
    """Save a checkpoint."""
    return Path(saver.save(session, str(folder / name), write_meta_graph=False, write_state=False))


def saved_values(folder: Path, values: Mapping[str, Any]) -> Path:
    """A checkpoint with these values, by key."""
    with tf.Graph().as_default(), tf1.Session() as session:
        made = {
            key: tf1.get_variable(f"v{number}", initializer=tf.constant(value))
            for number, (key, value) in enumerate(values.items())
        }
        session.run(tf1.global_variables_initializer())
        return save(folder, tf1.train.Saver(made), session, "values")
