"""What a person is shown of an inspection and of a freeze, line by line."""

from __future__ import annotations

import io
from functools import partial

import pytest

from cli.program import FIXTURES, tffreeze
from tffreeze import (
    AssetInspection,
    DroppedReport,
    InitializerReport,
    Inspection,
    NeedInspection,
    ObstacleInspection,
    Report,
    SaverInspection,
    SignatureInspection,
    TensorInspection,
    TensorReport,
    VariableInspection,
    VariableReport,
    WarningReport,
)
from tffreeze.cli.inspect import _show
from tffreeze.cli.show import say, show_report, size

X = TensorInspection("x", "x:0", "float32", (-1, 2), "Placeholder")
Y = TensorInspection("y", "y:0", "", None, "")


def _variable(name: str, status: str = "FOUND", key: str = "") -> VariableInspection:
    message = "" if status == "FOUND" else "it is not there."
    return VariableInspection(name, "VarHandleOp", "float32", (2,), status, key, "name", message, 8)


def _inspection(**changes: object) -> Inspection:
    nothing: dict[str, object] = dict.fromkeys(Inspection.__annotations__, ())
    return Inspection(**{**nothing, "kind": "graph_def", "nodes": 1, "functions": 0, **changes})  # type: ignore[arg-type]  # by name


def _inspected(**changes: object) -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    _show(_inspection(**changes), partial(say, stream=stream))
    stream.seek(0)
    return stream.read().splitlines()


def test_a_graph_is_told_by_its_candidates() -> None:
    """It has no tags and no signatures."""
    assert [
        "graph_def: 1 node, 0 functions",
        "  inputs:",
        "    x  x:0  float32 [?, 2]  Placeholder",
        "  candidate outputs, the likeliest first:",
        "    y  y:0  unknown dtype of unknown rank",
        "saver: save/restore_all reads (unknown), from the graph",
        "variables: 2 (1 found in the checkpoint), 16 bytes",
        "  v  float32 [2]  (by name)",
        "  missing: w: it is not there.",
        "checkpoint keys that no variable needs: 1",
        "  extra",
        "obstacle: Not so. [REACHABLE_WRITE]",
    ] == _inspected(
        inputs=(X,),
        candidate_outputs=(Y,),
        savers=(SaverInspection("save/restore_all", "", "the graph"),),
        variables=(_variable("v"), _variable("w", "MISSING")),
        extra_keys=("extra",),
        obstacles=(ObstacleInspection("REACHABLE_WRITE", "Not so.", "v"),),
    )


def test_a_saved_model_is_told_by_its_signatures() -> None:
    """And by what each of them needs."""
    assert [
        "saved_model: 1,000 nodes, 1 function",
        "tags: serve or (none)",
        "taken: serve",
        "signature 'a' (m):",
        "  inputs:",
        "    x  x:0  float32 [?, 2]  Placeholder",
        "  outputs: none",
        "signature 'b' (no method):",
        "  inputs: none",
        "  outputs: none",
        "saver: r reads f:0, from s",
        "variables:",
        "  a: 2 variables, 16 bytes, all found",
        "  b: 1 variable, 8 bytes, 0 of them found",
        "  the given outputs: none",
        "  v  float32 [2]  k (by name)",
        "  w  float32 [2]  (by name)",
        "  mismatch: u: it is not there.",
        "  not needed: 1 more variable",
        "a loader runs: init, more",
        "assets:",
        "  words.txt  asset:0",
    ] == _inspected(
        kind="saved_model",
        nodes=1000,
        functions=1,
        all_tags=(("serve",), ()),
        tags=("serve",),
        signatures=(SignatureInspection("a", "m", (X,), ()), SignatureInspection("b", "", (), ())),
        savers=(SaverInspection("r", "f:0", "s"),),
        variables=(_variable("v", key="k"), _variable("w"), _variable("u", "MISMATCH"), _variable("t")),
        needs=(
            NeedInspection("a", ("v", "w"), 2, 16),
            NeedInspection("b", ("u",), 0, 8),
            NeedInspection("", (), 0, 0),
        ),
        init_ops=("init", "more"),
        assets=(AssetInspection("asset:0", "words.txt"),),
    )


@pytest.mark.parametrize(
    ("many", "more"), [(12, []), (13, ["  … and 1 more that are missing or do not fit"])]
)
def test_lists_are_shortened(many: int, more: list[str]) -> None:
    """After a dozen."""
    variables = tuple(_variable(f"v{number}", "MISSING") for number in range(many))
    shown = _inspected(variables=variables, kind="meta_graph", all_tags=((),))
    assert ["meta_graph: 1 node, 0 functions", "tags: (none)", "  inputs: none"] == shown[:3]
    assert (12, more) == (sum(": v" in line for line in shown), shown[-len(more) :] if more else [])


def test_the_checkpoint_beside_a_meta_file_is_told() -> None:
    """Where it was used: not beside one that was given, nor for another kind of model."""
    folder = FIXTURES / "moving_average"
    meta = next(folder.glob("*.meta"))
    beside = f"was found beside '{meta.name}' and used."
    assert beside in tffreeze("inspect", str(meta)).out
    given = tffreeze("inspect", str(meta), "--checkpoint", str(meta.with_suffix("")))
    assert (0, False) == (given.code, "was found beside" in given.out)


def _report(**changes: object) -> Report:
    nothing: dict[str, object] = dict.fromkeys(Report.__annotations__, ())
    numbers = {"nodes": 1, "functions": 0, "size_bytes": 999, "weights_bytes": 0, "crc32c": "0000002a"}
    dropped = DroppedReport(1, 2, ("v",), ("k", "l"), ())
    return Report(**{**nothing, **numbers, "kind": "graph_def", "dropped": dropped, **changes})  # type: ignore[arg-type]  # by name


def _told(sha256: str | None = None, **changes: object) -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    show_report(_report(**changes), "out.pb", stream, sha256)
    stream.seek(0)
    return stream.read().splitlines()


def test_a_freeze_is_told() -> None:
    """The least there is to tell."""
    assert [
        "out.pb: 999 bytes, 1 node, crc32c 0000002a",
        "inputs: none",
        "outputs: none",
        "frozen: 0 variables, 0 bytes",
        "dropped: 1 node, 2 functions, 1 variable, 2 checkpoint keys",
    ] == _told()


def test_a_freeze_is_told_in_full() -> None:
    """Signatures where there are several, averages, what was kept, what has to run first, warnings."""
    tensors = tuple(TensorReport(key, "y", "", "y:0", "float32", ()) for key in ("a", "b"))
    averages = ("moving_average", "name", "moving_average")
    told = _told(
        "ab12",
        inputs=tensors[:1],
        outputs=tensors,
        variables=tuple(VariableReport(s, s, s, s, "float32", (), 500, ()) for s in averages),
        kept_variables=tuple(f"v{number}" for number in range(13)),
        initializers=(InitializerReport("op", "t", "words.txt"), InitializerReport("op2", "u", "")),
        warnings=tuple(WarningReport("CODE", f"Number {number}.", "") for number in range(14)),
    )
    assert [
        "sha256: ab12",
        "inputs:",
        "  y  y:0  float32 []",
        "outputs:",
        "  a/y  y:0  float32 []",
        "  b/y  y:0  float32 []",
        "frozen: 3 variables, 1.5 kB",
        "  2 of them from their moving averages",
        "kept as variables: v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, … and 1 more",
        "dropped: 1 node, 2 functions, 1 variable, 2 checkpoint keys",
        "run once before the outputs:",
        "  op   fills t  from words.txt",
        "  op2  fills u",
        *(f"warning: Number {number}." for number in range(12)),
        "… and 2 more warnings: see --report.",
    ] == told[1:]
    assert "more warnings" not in _told(warnings=(WarningReport("C", "One.", ""),) * 12)[-1]


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (102_800_000, "102.8 MB"),
        (999_950_000, "1.0 GB"),
        (2_500_000_000, "2.5 GB"),
    ],
)
def test_sizes_are_told_as_disks_have_them(size_bytes: int, shown: str) -> None:
    """A megabyte is a million bytes; never `1000.0 kB`."""
    assert shown == size(size_bytes)
