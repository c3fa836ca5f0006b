"""The README shows what is really printed: its commands and programs are run, their output is compared."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", README, flags=re.DOTALL)
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}

pytestmark = pytest.mark.skipif(
    shutil.which("tffreeze", path=str(BIN)) is None, reason="tffreeze is not installed"
)


Start = Callable[[str], None]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a command in the background, wait until its server serves, and end it after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def in_background(command: str) -> None:
        started.append(subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder, env=ENVIRONMENT))
        (port,) = re.findall(r"--port (\d+)", command)
        deadline = time.monotonic() + 30
        health = ["tffreeze", "health", "--server", f"localhost:{port}"]
        while not printed(health, folder).endswith(": serving\n"):
            assert started[-1].poll() is None
            assert time.monotonic() < deadline

    yield in_background
    for process in started:
        process.terminate()
        assert 0 == process.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder in which the sample models lie where the README says."""
    (tmp_path / "tests").symlink_to(REPO / "tests")
    return tmp_path


def printed(command: list[str], folder: Path) -> str:
    """What a command prints, to stdout and stderr, with a terminal's usual width."""
    result = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return result.stdout


def assert_printed(expected: str, actual: str) -> None:
    """The same text, where `...` stands for anything and trailing blanks do not count."""
    expected, actual = (
        "\n".join(map(str.rstrip, text.strip().splitlines())) + "\n" for text in (expected, actual)
    )
    assert doctest.OutputChecker().check_output(expected, actual, doctest.ELLIPSIS), (
        f"{expected}\n-- but:\n{actual}"
    )


def test_console(folder: Path, start: Start) -> None:
    """Each `$ command`, in the README's order, prints what stands below it."""
    assert CONSOLE
    for command, expected in re.findall(
        r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(CONSOLE), flags=re.MULTILINE
    ):
        if command.startswith("make "):
            continue  # they set up an environment of their own; CI runs them
        if command.endswith(" &"):
            start(command.removesuffix(" &"))
        else:
            assert_printed(expected, printed(["bash", "-c", command], folder))


def test_programs(folder: Path) -> None:
    """Each Python program prints what stands below it."""
    assert PROGRAMS
    for program, expected in PROGRAMS:
        assert_printed(expected, printed([sys.executable, "-c", program], folder))
