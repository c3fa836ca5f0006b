"""Change the code at random, one place at a time, and see whether the tests notice.

Theory of operation. A mutant is the tree with one condition or one number changed: `<` becomes `<=`, `and` becomes
`or`, `+` becomes `-`, 3 becomes 4. The sample is random, and the same for the same seed. The quick tests run once with
coverage to learn which test executes which line, and how long it takes. Then each mutant meets the quick tests that
execute its line, the quickest first, then those that an area names for its module. Only a mutant that these do not
notice meets the dear ones: those that compare with TensorFlow, and those that start a process, which are invisible to
coverage. What is left has survived: a test is missing, or the code is dead, or the change makes no difference.

A mutant counts as noticed where a test fails with the change and passes without it.

Mutants live in copies of the tree below `build/mutants`; the tree itself is never changed. What is printed is a file
for `--only`, which tries the survivors in it again; they are found though lines have moved since.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coverage.numbits import numbits_to_nums

REPOSITORY = Path(__file__).resolve().parents[1]
WORK = REPOSITORY / "build" / "mutants"
MAX_SECONDS = 1800
"""For one run of tests on one mutant; one test may take `MAX_TEST_SECONDS`, which ends an endless loop."""
MAX_TEST_SECONDS = 100
FEW = 40
"""Tests that most mutants do not survive, so they come first."""
NOT_DEAR = ("-m", "not tensorflow")
DEAR = ("-m", "tensorflow")


@dataclass(frozen=True)
class Area:
    """A part of the code and the tests that answer for it.

    Attributes:
        sources: Folders and files of the code, without those in `others`.
        others: What belongs to another area.
        tests: Folders of tests that run with coverage, those marked `tensorflow` aside.
        dear: Folders of tests that only survivors meet, all of them; beside those of `tests` marked `tensorflow`.

    """

    sources: tuple[str, ...]
    others: tuple[str, ...]
    tests: tuple[str, ...]
    dear: tuple[str, ...]
    answers: Mapping[str, str] = field(default_factory=dict)
    """By module: further files of tests, which execute it in a process of its own or when it is imported."""


SERVER = ("service/tffreeze_server/rpc", "service/tffreeze_server/server")
_PLANS = "tests/rpc/test_freeze_calls.py tests/rpc/test_model_roots.py tests/rpc/test_real_models.py"
_PROCESS = "tests/server/test_process.py tests/server/test_parent.py"
_FLAGS = "tests/server/test_config.py tests/server/test_docs.py"
SERVER_ANSWERS = {
    "planner_main": "tests/rpc/test_planners.py", "planner_process": "tests/rpc/test_planners.py",
    "plan_request": _PLANS, "beneath": _PLANS, "messages": _PLANS,
    "grpc_server": f"{_PROCESS} tests/server/test_compression.py tests/server/test_auth.py tests/server/test_tls.py",
    "lifecycle": _PROCESS, "shutdown": _PROCESS, "run": _PROCESS, "health": _PROCESS, "reflection": _PROCESS,
    "main": _PROCESS, "start": _PROCESS, "parent": _PROCESS, "port_file": _PROCESS,
    "auth": "tests/server/test_auth.py tests/server/test_tls.py", "tls": "tests/server/test_tls.py",
    "metrics": "tests/server/test_metrics.py",
    "tracing": "tests/server/test_tracing.py", "observers": "tests/server/test_tracing.py",
    "logs": "tests/server/test_process.py", "flags": _FLAGS, "config": _FLAGS, "settings": _FLAGS,
}  # fmt: skip
AREAS = {
    "engine": Area(
        ("service/tffreeze_server",),
        (*SERVER, "service/tffreeze_server/tfproto"),
        tuple(f"tests/{name}" for name in "graph checkpoint resolve rewrite emit inspection".split()),
        ("tests/hostile", "tests/cli", "tests/conformance"),
    ),
    "server": Area(
        SERVER,
        (),
        ("tests/rpc", "tests/server", "tests/contract"),
        ("tests/rpc", "tests/server", "tests/deploy"),
        SERVER_ANSWERS,
    ),
    "client": Area(
        ("client/tffreeze", "client/tffreeze_files"),
        ("client/tffreeze/v1",),
        ("tests/files", "tests/client", "tests/contract"),
        ("tests/peers", "tests/cli"),
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
        column: Of the change, from 1, in bytes.
        text: The line.
        start: Offset of the replaced text, in bytes.
        end: Offset behind it.
        old: The replaced text.
        new: The text in its place.

    """

    file: str
    line: int
    column: int
    text: str
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        change = f"{self.old.strip()} -> {self.new.strip()}"
        return f"{self.file}:{self.line}:{self.column}: {change} | {self.text.strip()}"

    @property
    def place(self) -> tuple[str, str]:
        """What stays where lines are put before it: its file; its column, change and line as text."""
        return self.file, str(self).removeprefix(f"{self.file}:{self.line}:")


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
        line = source[:start].count(b"\n")
        text = source[starts[line] : starts[line + 1]].decode()
        old = source[start:end].decode()
        return Mutant(name, line + 1, start - starts[line] + 1, text, start, end, old, new)

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


def all_of(area: Area) -> list[Mutant]:
    """Every mutant of an area that is still Python."""
    files = [
        file
        for folder in area.sources
        for file in sorted((REPOSITORY / folder).rglob("*.py"))
        if not any(file.is_relative_to(REPOSITORY / other) for other in area.others)
    ]
    return [mutant for file in files for mutant in mutants_of(file) if _compiles(mutant)]


def sample(area: Area, count: int, seed: int) -> list[Mutant]:
    """A random choice of the mutants of an area."""
    everything = all_of(area)
    return random.Random(seed).sample(everything, min(count, len(everything)))


def survivors(area: Area, printed: str) -> list[Mutant]:
    """The mutants of an area that an earlier run printed as survivors; those whose line has changed are gone."""
    found: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in all_of(area):
        found.setdefault(mutant.place, []).append(mutant)
    chosen = []
    for entry in printed.splitlines():
        if not entry.startswith("SURVIVED "):
            continue
        file, line, rest = entry.removeprefix("SURVIVED ").split(":", 2)
        alike = found.get((file, rest), [])
        if alike:
            chosen.append(min(alike, key=lambda m: abs(m.line - int(line))))
        else:
            print("gone    ", entry.removeprefix("SURVIVED "), flush=True)
    return chosen


def _compiles(mutant: Mutant) -> bool:
    try:
        ast.parse(_changed(mutant, (REPOSITORY / mutant.file).read_bytes()))
    except SyntaxError:
        return False
    return True


def _changed(mutant: Mutant, source: bytes) -> bytes:
    return source[: mutant.start] + mutant.new.encode() + source[mutant.end :]


_PLUGINS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-o", f"timeout={MAX_TEST_SECONDS}")
_NO_TESTS = 5


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

    def failing(self, *arguments: str) -> str | None:
        """Run tests until one fails; which that is, or None.

        Args:
            arguments: Of pytest.

        Returns:
            The test's name; empty where no test is to blame: nothing could be imported, or time was up.

        """
        paths = [str(self.folder / "client"), str(self.folder / "service")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", *_PLUGINS, *arguments]
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
            return ""
        if done.returncode in (0, _NO_TESTS):
            return None
        failed = re.findall(r"^(?:FAILED|ERROR) (tests/.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
        return failed[0] if failed else ""


@dataclass(frozen=True)
class Coverage:
    """Which test executes which line.

    Attributes:
        tests: By file and line: test names, the quickest first.

    """

    tests: dict[tuple[str, int], list[str]]


def measure(tree: Tree, area: Area) -> Coverage:
    """Run the quick tests of an area once."""
    data, durations = WORK / "coverage", WORK / "durations"
    data.unlink(missing_ok=True)
    os.environ["COVERAGE_FILE"] = str(data)
    folders = folders_of(area.tests)
    sources = [f"--cov={folder}" for folder in ("client", "service/tffreeze_server")]
    covered = (
        "--cov-context=test",
        "--cov-report=",
        "--maxfail=1000",
        "--continue-on-collection-errors",
        f"--junitxml={durations}",
    )
    tree.failing(*folders, *NOT_DEAR, *sources, *covered)
    seconds = _seconds(durations)
    found: dict[tuple[str, int], list[str]] = {}
    with sqlite3.connect(data) as database:
        rows = database.execute(
            "select path, context, numbits from line_bits"
            " join file on file.id = file_id join context on context.id = context_id"
        )
        for path, context, numbits in rows:
            test = context.rpartition("|")[0]
            if not test:
                continue
            for line in numbits_to_nums(numbits):
                found.setdefault((os.path.relpath(path, tree.folder), line), []).append(test)
    return Coverage(
        {
            place: sorted((t for t in set(tests) if t in seconds), key=lambda t: seconds[t])
            for place, tests in found.items()
        }
    )


def _seconds(durations: Path) -> dict[str, float]:
    """How long each test took that passed."""
    import xml.etree.ElementTree as ET

    found = {}
    for case in ET.parse(durations).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            continue
        file = case.get("classname", "").replace(".", "/") + ".py"
        found[f"{file}::{case.get('name')}"] = float(case.get("time", 0))
    return found


def is_noticed(mutant: Mutant, tree: Tree, area: Area, coverage: Coverage, given: argparse.Namespace) -> bool:
    """Whether a test fails on a mutant, and does not fail without it."""
    tests = coverage.tests.get((mutant.file, mutant.line), [])[: given.most]
    answers = area.answers.get(Path(mutant.file).stem, "").split()
    runs = [run for run in (tests[:FEW], tests[FEW:], answers) if run]
    if any(_tells(run, mutant, tree, are_sound=True) for run in runs):
        return True
    dear = [] if given.quick else [[*folders_of(area.tests), *DEAR], folders_of(area.dear)]
    return any(_tells(run, mutant, tree, are_sound=False) for run in dear)


def folders_of(names: Iterable[str]) -> list[str]:
    """The folders that there are."""
    return [name for name in names if (REPOSITORY / name).exists()]


def _tells(arguments: list[str], mutant: Mutant, tree: Tree, *, are_sound: bool) -> bool:
    """Whether some tests tell a mutant from the code; those that have passed on the code are sound."""
    file = tree.folder / mutant.file
    original = file.read_bytes()
    broken: list[str] = []
    while True:
        file.write_bytes(_changed(mutant, original))
        try:
            failed = tree.failing(*arguments, *(f"--deselect={test}" for test in broken))
        finally:
            file.write_bytes(original)
        if failed is None:
            return False
        if are_sound or not failed or tree.failing(failed) is None:
            return True
        broken.append(failed)


def main() -> int:
    """Print each mutant and what became of it; 1 if fewer than 95 of 100 were noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", default=list(AREAS), help=f"of {', '.join(AREAS)}")
    parser.add_argument("--count", type=int, default=100, help="changes an area")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--most", type=int, default=400, help="quick tests that one mutant meets")
    parser.add_argument("--quick", action="store_true", help="leave the dear tests out")
    parser.add_argument("--only", type=Path, help="try the survivors again that this file of output names")
    parser.add_argument("--list", action="store_true", help="print the sample only")
    given = parser.parse_args()
    share = 1.0
    for name in given.areas:
        area = AREAS[name]
        mutants = (
            survivors(area, given.only.read_text()) if given.only else sample(area, given.count, given.seed)
        )
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
                return is_noticed(mutant, tree, area, coverage, given)
            finally:
                free.append(tree)

        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            for mutant, found in zip(mutants, pool.map(check, mutants), strict=True):
                noticed += found
                print("noticed " if found else "SURVIVED", mutant, flush=True)
        print(f"{name}: {noticed} of {len(mutants)} noticed", flush=True)
        share = min(share, noticed / max(len(mutants), 1))
    return 0 if share >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
