"""The folder of real models by others, as a list of cases to freeze."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tffreeze_server.options import FreezeOptions, ModelSource

np = pytest.importorskip("numpy")  # golden outputs are its files

FOLDER = Path(os.environ.get("TFFREEZE_MODELS", Path(__file__).resolve().parents[3] / "shared" / "models"))


@dataclass(frozen=True)
class Case:
    """One thing to freeze, with the outputs of the unfrozen model.

    Attributes:
        name: Of its golden file, without the extension.
        folder: Of the model; asset paths are relative to it.
        source: Where the model is.
        options: How to freeze it.

    """

    name: str
    folder: Path
    source: ModelSource
    options: FreezeOptions

    def golden(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Feeds, and outputs for them, by tensor name."""
        return read_golden(FOLDER / "golden" / f"{self.name}.npz")


def read_golden(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Feeds and outputs by tensor name: keys are `in|TENSOR` and `out|TENSOR`; `#b64` marks byte strings."""
    sides: dict[str, dict[str, Any]] = {"in": {}, "out": {}}
    with np.load(path) as arrays:
        for key in arrays.files:
            side, bar, tensor = key.partition("|")
            if bar:
                sides[side][tensor.removesuffix("#b64")] = _decoded(arrays[key], key.endswith("#b64"))
    return sides["in"], sides["out"]


def _decoded(array: Any, is_base64: bool) -> Any:
    if not is_base64:
        return array
    strings = [base64.b64decode(value) for value in array.ravel()]
    return np.array(strings, dtype=object).reshape(array.shape)


def golden_cases() -> list[Case]:
    """All cases that have golden outputs; none where the folder is absent."""
    if not (FOLDER / "manifest.json").is_file():
        return []
    graphs = _graph_cases()
    return [
        graphs.get(path.stem) or _saved_model_case(path.stem)
        for path in sorted((FOLDER / "golden").glob("*.npz"))
    ]


def _saved_model_case(name: str) -> Case:
    """`MODEL__TAGS__SIGNATURE`."""
    model, tags, signature = name.split("__")
    options = FreezeOptions(tags=frozenset(tags.split(",")) - {""}, signature_keys=(signature,))
    return Case(name, FOLDER / model, ModelSource(FOLDER / model), options)


def _graph_cases() -> dict[str, Case]:
    """`MODEL_FILE__mg` and `MODEL_FILE__gd`: the manifest says with which checkpoint and outputs."""
    cases = {}
    for entry in json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8")):
        for run in entry["tensorflow_2_21"]:
            if run["kind"] != "saved_model":
                graph = FOLDER / run["graph"]
                suffix = {"meta_graph": "mg", "graph_def": "gd"}[run["kind"]]
                name = f"{entry['model']}_{graph.name}__{suffix}"
                source = ModelSource(graph, checkpoint=FOLDER / run["checkpoint"])
                options = FreezeOptions(output_nodes=tuple(run["outputs"]))
                cases[name] = Case(name, graph.parent, source, options)
    return cases
