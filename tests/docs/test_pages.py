"""Pages show what is really printed: their commands and programs run in order, and their output is compared."""

from __future__ import annotations

import doctest
import importlib.util
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
PAGES = ("README.md", "docs/running.md", "docs/migrating.md", "docs/troubleshooting.md")
BLOCK = re.compile(
    r"```console\n(?P<console>.*?)```"
    r"|```(?P<language>python|c)\n(?P<program>.*?)```\n+```text\n(?P<printed>.*?)```",
    flags=re.DOTALL,
)
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "COLUMNS": "100",
}

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


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, folder: Path, start: Start) -> None:
    """Each command and program of a page, in its order and in one folder, prints what stands below it."""
    text = (REPO / page).read_text(encoding="utf-8")
    if "import tensorflow" in text and importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: the programs of this page need it")
    blocks = list(BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        if block["console"]:
            run_console(block["console"], folder, start)
        elif block["language"] == "python":
            run_program([sys.executable, "-c", block["program"]], block["printed"], folder)
        else:
            run_program(compiled(block["program"], folder), block["printed"], folder)


def run_console(block: str, folder: Path, start: Start) -> None:
    """Run each `$ command`; what stands below it is what it prints."""
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
        if command.startswith("make "):
            continue  # they set up an environment of their own; CI runs them
        if command.endswith(" &"):
            start(command.removesuffix(" &"))
        else:
            assert_printed(expected, printed(["bash", "-c", command], folder))


def run_program(command: list[str], expected: str, folder: Path) -> None:
    """Run a program: what it writes to stdout counts; TensorFlow logs to stderr as it likes."""
    result = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert 0 == result.returncode, result.stderr
    assert_printed(expected, result.stdout)


def compiled(program: str, folder: Path) -> list[str]:
    """A command that runs a C program, compiled against the C API in TensorFlow's Python package."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler: the program of this page needs one")
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    (folder / "program.c").write_text(program, encoding="utf-8")
    libraries = [f"-l:{name}" for name in ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")]
    paths = [f"-I{package / 'include'}", f"-L{package}", f"-Wl,-rpath,{package}"]
    subprocess.run(
        ["cc", "program.c", "-o", "program", *paths, *libraries], cwd=folder, check=True, timeout=120
    )
    return ["./program"]
