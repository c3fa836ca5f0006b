"""The README shows what is really printed: its commands and programs are run, their output is compared."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
PROGRAMS = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", README, flags=re.DOTALL)
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.skipif(
    shutil.which("tffreeze", path=str(BIN)) is None, reason="tffreeze is not installed"
)


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
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"},
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


def test_console(folder: Path) -> None:
    """Each `$ command`, in the README's order, prints what stands below it."""
    assert CONSOLE
    for command, expected in re.findall(
        r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(CONSOLE), flags=re.MULTILINE
    ):
        if not command.startswith("make "):  # they set up an environment of their own; CI runs them
            assert_printed(expected, printed(["bash", "-c", command], folder))


def test_programs(folder: Path) -> None:
    """Each Python program prints what stands below it."""
    assert PROGRAMS
    for program, expected in PROGRAMS:
        assert_printed(expected, printed([sys.executable, "-c", program], folder))
