"""What `--report` writes is what docs/report.schema.json says."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.program import DIGITS, FIXTURES, tffreeze
from tffreeze import __version__
from tffreeze.cli.report_json import SCHEMA_VERSION
from tffreeze_common import report as reports
from tffreeze_common.options import FreezeOptions

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))

GRAPH = ("graph_v1/graph.pbtxt", "--checkpoint", "graph_v1/model", "--output-nodes", "y")
AVERAGE = ("moving_average/model.meta", "--output-nodes", "y", "--moving-average")


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that describes an object."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for part in schema.values():
            yield from _objects(part)


def _strict() -> dict[str, Any]:
    """The schema, with no room for keys that it does not describe."""
    schema: dict[str, Any] = copy.deepcopy(SCHEMA)
    for part in _objects(schema):
        part["additionalProperties"] = False
    return schema


@pytest.mark.parametrize(
    "arguments",
    [
        ("digits",),
        (
            "digits",
            "--sha256",
            "--tags",
            "serve",
            "--rename-io",
            "--clear-devices",
            "--signature",
            "serving_default",
        ),
        ("digits", "--saved-model", "--text"),
        GRAPH,
        (*GRAPH, "--sha256"),
        AVERAGE,
    ],
)
def test_a_report_is_as_the_schema_says(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Of every sample, with every kind of option; no key is left undescribed."""
    file = str(tmp_path / "report.json")
    run = tffreeze("freeze", *arguments, "-q", "--report", file, "-o", str(tmp_path / "out"), cwd=FIXTURES)
    assert (0, "") == (run.code, run.err)
    report = json.loads(Path(file).read_text(encoding="utf-8"))
    jsonschema.validate(report, _strict(), jsonschema.Draft202012Validator)
    assert (SCHEMA_VERSION, __version__) == (report["schema_version"], report["tffreeze_version"])
    assert arguments[0] == report["model"]["path"]
    assert ("--sha256" in arguments) == (report["digests"]["sha256"] is not None)


def test_the_schema_describes_each_field() -> None:
    """Each key of it is a field of the report, and each field is in it."""
    parts = {**SCHEMA["$defs"], "FreezeOptions": SCHEMA["properties"]["options"]}
    for name, part in parts.items():
        kind = FreezeOptions if name == "FreezeOptions" else getattr(reports, name)
        assert (
            [field.name for field in dataclasses.fields(kind)] == list(part["properties"]) == part["required"]
        )
    own = ["schema_version", "tffreeze_version", "model", "options", "digests"]
    fields = [field.name for field in dataclasses.fields(reports.Report)]
    assert [*own, *fields] == list(SCHEMA["properties"]) == SCHEMA["required"]


def test_a_report_that_differs_is_found(tmp_path: Path) -> None:
    """The test above can fail: a key too many, one too few, a value of another type."""
    file = tmp_path / "report.json"
    tffreeze("freeze", DIGITS, "-q", "--report", str(file), "-o", str(tmp_path / "out"))
    report = json.loads(file.read_text(encoding="utf-8"))
    without = {key: value for key, value in report.items() if key != "digests"}
    for other in ({**report, "more": 1}, without, {**report, "nodes": "12"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(other, _strict(), jsonschema.Draft202012Validator)
