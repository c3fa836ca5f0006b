"""Change the code at random, one place at a time, and see whether the tests notice.

Theory of operation. A mutant is the tree with one condition or one number changed: `<` becomes `<=`, `and` becomes
`or`, `+` becomes `-`, 3 becomes 4. The sample is random, and the same for the same seed. The tests run once with
coverage to learn which test executes which line, and how long it takes. Then each mutant meets the tests that execute
its line, the quickest first. A mutant that these do not notice meets the whole of its area's tests too, as the tests
that start a process are invisible to coverage. What is left has survived: a test is missing, or the code is dead, or
the change makes no difference.

Mutants live in copies of the tree below `build/mutants`; the tree itself is never changed.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coverage.numbits import numbits_to_nums

REPOSITORY = Path(__file__).resolve().parents[1]
WORK = REPOSITORY / "build" / "mutants"
MAX_SECONDS = 400
"""For one run of tests on one mutant: a change that makes a loop endless is noticed by that."""


@dataclass(frozen=True)
class Area:
    """A part of the code and the tests that answer for it.

    Attributes:
        sources: Folders and files of the code, without those in `others`.
        others: What belongs to another area.
        tests: Folders of tests that run with coverage.

    """

    sources: tuple[str, ...]
    others: tuple[str, ...]
    tests: tuple[str, ...]


SERVER = ("service/tffreeze_server/rpc", "service/tffreeze_server/server")
AREAS = {
    "engine": Area(
        ("service/tffreeze_server",),
        (*SERVER, "service/tffreeze_server/tfproto"),
        tuple(
            f"tests/{name}"
            for name in "graph checkpoint resolve rewrite emit inspection hostile cli conformance".split()
        ),
    ),
    "server": Area(SERVER, (), ("tests/rpc", "tests/server", "tests/contract", "tests/deploy")),
    "client": Area(
        ("client/tffreeze",),
        ("client/tffreeze/v1",),
        ("tests/client", "tests/cli", "tests/contract", "tests/rpc"),
    ),
}

_SWAPS: dict[type[ast.AST], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
    ast.And: "or", ast.Or: "and",
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Mod: "//",
    ast.BitAnd: "|", ast.LShift: ">>", ast.RShift: "<<",
}  # fmt: skip
"""What takes the place of each operator. `|` stays: it joins types and sets, where `&` would be noticed at once."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        file: Below the repository.
        line: Of the change, from 1.
        start: Offset of the replaced text, in bytes.
        end: Offset behind it.
        old: The replaced text.
        new: The text in its place.

    """

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old.strip()} -> {self.new.strip()}"


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Give every change that can be made to a file, leaving out annotations, messages of errors and docstrings."""
    source = file.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def change(first: ast.expr, second: ast.expr | None, new: str) -> Mutant:
        """Replace `first`, or what stands between the two."""
        assert first.end_lineno is not None
        assert first.end_col_offset is not None
        if second is None:
            start, end = (
                starts[first.lineno - 1] + first.col_offset,
                starts[first.end_lineno - 1] + first.end_col_offset,
            )
        else:
            start = starts[first.end_lineno - 1] + first.end_col_offset
            end = starts[second.lineno - 1] + second.col_offset
        name = str(file.relative_to(REPOSITORY))
        return Mutant(name, source[:start].count(b"\n") + 1, start, end, source[start:end].decode(), new)

    for node in _code(ast.parse(source)):
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _SWAPS:
                yield change(left, right, f" {_SWAPS[type(op)]} ")
            case ast.BoolOp(op=op, values=values):
                yield change(values[0], values[1], f" {_SWAPS[type(op)]} ")
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SWAPS:
                yield change(left, right, f" {_SWAPS[type(op)]} ")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield change(node, None, f"({ast.unparse(operand)})")
            case ast.Constant(value=bool(value)):
                yield change(node, None, str(not value))
            case ast.Constant(value=int(value)):
                yield change(node, None, str(value + 1))


def _code(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that decide or compute: no annotations, defaults, messages or named numbers."""
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.arguments):
        return
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.keyword) and _is_literal(node.value):
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                if isinstance(child, ast.expr):
                    yield child
                yield from _code(child)


def _is_literal(value: ast.AST | None) -> bool:
    return value is not None and not any(
        isinstance(n, ast.Name | ast.Attribute | ast.Call) for n in ast.walk(value)
    )


def sample(area: Area, count: int, seed: int) -> list[Mutant]:
    """A random choice of the mutants of an area that are still Python."""
    files = [
        file
        for folder in area.sources
        for file in sorted((REPOSITORY / folder).rglob("*.py"))
        if not any(file.is_relative_to(REPOSITORY / other) for other in area.others)
    ]
    everything = [mutant for file in files for mutant in mutants_of(file) if _compiles(mutant)]
    return random.Random(seed).sample(everything, min(count, len(everything)))


def _compiles(mutant: Mutant) -> bool:
    try:
        ast.parse(_changed(mutant))
    except SyntaxError:
        return False
    return True


def _changed(mutant: Mutant) -> bytes:
    source = (REPOSITORY / mutant.file).read_bytes()
    return source[: mutant.start] + mutant.new.encode() + source[mutant.end :]


class Tree:
    """A copy of the repository in which one file at a time is changed.

    Args:
        number: Of the copy: each worker has its own.

    """

    def __init__(self, number: int) -> None:
        self.folder = WORK / f"tree{number}" / "main"

    def create(self) -> None:
        """Copy what the tests need; the real models are looked for beside it."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder.parent / "shared").symlink_to(REPOSITORY.parent / "shared")
        tracked = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        for name in tracked:
            if (REPOSITORY / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, self.folder / name)

    def pytest(self, *arguments: str) -> bool:
        """Whether the tests pass, in time."""
        paths = [str(self.folder / "client"), str(self.folder / "service")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            *arguments,
        ]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                timeout=MAX_SECONDS,
                capture_output=True,
                text=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode in (0, 5)


@dataclass(frozen=True)
class Coverage:
    """Which test executes which line.

    Attributes:
        tests: By file and line: test names, the quickest first.

    """

    tests: dict[tuple[str, int], list[str]]


def measure(tree: Tree, area: Area) -> Coverage:
    """Run the tests of an area once."""
    data, durations = WORK / "coverage", WORK / "durations"
    data.unlink(missing_ok=True)
    os.environ["COVERAGE_FILE"] = str(data)
    folders = [folder for folder in area.tests if (REPOSITORY / folder).exists()]
    sources = [f"--cov={folder}" for folder in ("client/tffreeze", "service/tffreeze_server")]
    tree.pytest(
        *folders, *sources, "--cov-context=test", "--cov-report=", "--maxfail=1000", f"--junitxml={durations}"
    )
    seconds = _seconds(durations)
    found: dict[tuple[str, int], list[str]] = {}
    with sqlite3.connect(data) as database:
        rows = database.execute(
            "select path, context, numbits from line_bits"
            " join file on file.id = file_id join context on context.id = context_id"
        )
        for path, context, numbits in rows:
            test = context.partition("|")[0]
            if not test:
                continue
            for line in numbits_to_nums(numbits):
                found.setdefault((os.path.relpath(path, tree.folder), line), []).append(test)
    return Coverage(
        {place: sorted(set(tests), key=lambda t: seconds.get(t, 0.0)) for place, tests in found.items()}
    )


def _seconds(durations: Path) -> dict[str, float]:
    import xml.etree.ElementTree as ET

    found = {}
    for case in ET.parse(durations).iter("testcase"):
        file = case.get("classname", "").replace(".", "/") + ".py"
        found[f"{file}::{case.get('name')}"] = float(case.get("time", 0))
    return found


def is_noticed(mutant: Mutant, tree: Tree, area: Area, coverage: Coverage, most: int) -> bool:
    """Whether a test fails on a mutant."""
    file = tree.folder / mutant.file
    original = file.read_bytes()
    file.write_bytes(_changed(mutant))
    try:
        tests = coverage.tests.get((mutant.file, mutant.line), [])[:most]
        folders = [folder for folder in area.tests if (REPOSITORY / folder).exists()]
        return bool(tests and not tree.pytest(*tests)) or not tree.pytest(*folders)
    finally:
        file.write_bytes(original)


def main() -> int:
    """Print each mutant and what became of it; 1 if fewer than 95 of 100 were noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", default=list(AREAS), help=f"of {', '.join(AREAS)}")
    parser.add_argument("--count", type=int, default=100, help="changes an area")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--most", type=int, default=400, help="tests that one mutant meets before all of its area's"
    )
    parser.add_argument("--list", action="store_true", help="print the sample only")
    given = parser.parse_args()
    share = 1.0
    for name in given.areas:
        area = AREAS[name]
        mutants = sample(area, given.count, given.seed)
        if given.list:
            print(*mutants, sep="\n")
            continue
        trees = [Tree(number) for number in range(given.jobs)]
        for tree in trees:
            tree.create()
        coverage = measure(trees[0], area)
        noticed = 0
        free = list(trees)

        def check(
            mutant: Mutant, area: Area = area, coverage: Coverage = coverage, free: list[Tree] = free
        ) -> bool:
            tree = free.pop()
            try:
                return is_noticed(mutant, tree, area, coverage, given.most)
            finally:
                free.append(tree)

        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            for mutant, found in zip(mutants, pool.map(check, mutants), strict=True):
                noticed += found
                print("noticed " if found else "SURVIVED", mutant, flush=True)
        print(f"{name}: {noticed} of {len(mutants)} noticed", flush=True)
        share = min(share, noticed / len(mutants))
    return 0 if share >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
