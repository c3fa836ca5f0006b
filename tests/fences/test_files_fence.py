"""The engine has one way to a file of a model: `tffreeze_files.access`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

ENGINE = (REPO / "service" / "tffreeze_server", REPO / "client" / "tffreeze_files")

NOT_ENGINE = {"server", "rpc", "emit", "access.py", "writer.py", "target.py", "temporary.py"}
"""The server; the one way itself; what writes results."""

OWN_DATA = {"op_table.py"}
"""Reads a file of the package."""

LOOKS = {
    *("exists", "glob", "is_dir", "is_file", "is_symlink", "iterdir", "listdir", "lstat", "read_bytes", "read_text"),
    *("readlink", "realpath", "resolve", "rglob", "samefile", "scandir", "stat", "walk"),
}  # fmt: skip


def other_ways(source: str) -> Iterator[str]:
    """Calls that look at files, in a module."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        name = call.rsplit(".", 1)[-1]
        is_path_open = name == "open" and (not node.args or isinstance(node.args[0], ast.Constant))
        if ("." in call and (name in LOOKS or is_path_open)) or call in {"open", "os.open", "io.open"}:
            yield call


def test_there_is_one_way() -> None:
    """No stage looks at, lists or opens a file by itself."""
    found = {
        f"{path.relative_to(folder)}: {call}"
        for folder in ENGINE
        for path in folder.rglob("*.py")
        if path.relative_to(folder).parts[0] not in NOT_ENGINE and path.name not in OWN_DATA
        for call in other_ways(path.read_text())
    }
    assert set() == found


@pytest.mark.parametrize(
    "line",
    ["open(path)", "os.open(path, 0)", "path.open('rb')", "path.open()", "path.is_dir()", "os.scandir(path)",
     "path.parent.iterdir()", "os.path.realpath(path)", "(a / b).read_bytes()"],
)  # fmt: skip
def test_fence_bites(line: str) -> None:
    """Each other way is found."""
    assert [line.rpartition("(")[0]] == list(other_ways(line))


def test_one_way_is_not_taken_for_another() -> None:
    """What goes through the one way, or is no file, is let through."""
    assert [] == list(
        other_ways("open_path(path); part.source.open(files); status(path); access.status(path)")
    )
