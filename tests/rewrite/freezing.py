"""Freeze graphs written as text, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from rewrite.graphs import shape_of
from tffreeze_common.report import Report
from tffreeze_server.emit.emit import write_file
from tffreeze_server.freeze import freeze
from tffreeze_server.graph.node import from_node_def
from tffreeze_server.options import FreezeOptions, ModelSource
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, GraphDef

FLOAT = 'attr { key: "T" value { type: DT_FLOAT } }'
X = 'node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }'


@dataclass(frozen=True)
class Frozen:
    """What a freeze wrote, and its report."""

    graph: GraphDef
    report: Report

    def shape(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Op and inputs of each node."""
        return shape_of({node.name: from_node_def(node) for node in self.graph.node})

    def functions(self) -> Mapping[str, FunctionDef]:
        """The library, by name."""
        return {function.signature.name: function for function in self.graph.library.function}


def freeze_text(
    text: str, folder: Path, *outputs: str, checkpoint: Path | None = None, **options: object
) -> Frozen:
    """Freeze a GraphDef in text format by output names."""
    return freeze_graph(
        text_format.Parse(text, GraphDef()), folder, *outputs, checkpoint=checkpoint, **options
    )


def freeze_graph(
    graph: GraphDef, folder: Path, *outputs: str, checkpoint: Path | None = None, **options: object
) -> Frozen:
    """Freeze a GraphDef by output names."""
    model = folder / "model.pb"
    model.write_bytes(graph.SerializeToString())
    asked = FreezeOptions(output_nodes=outputs, **options)  # type: ignore[arg-type]  # a test knows its options
    result = freeze(ModelSource(model, checkpoint=checkpoint), asked)
    write_file(result.plan, folder / "frozen.pb")
    data = (folder / "frozen.pb").read_bytes()
    assert result.report.size_bytes == len(data)
    return Frozen(GraphDef.FromString(data), result.report)
