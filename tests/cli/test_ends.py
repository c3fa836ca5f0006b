"""How the program ends when it is not left alone: broken pipes, interrupts, defects, terminals."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.program import DIGITS, FIXTURES, PROGRAM, environment, start, tffreeze


def test_a_broken_pipe_is_quiet() -> None:
    """A reader that leaves ends the program without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    process = start("freeze", DIGITS, "-o", "-", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, b"")


@pytest.fixture
def in_the_foreground() -> Iterator[None]:
    """SIGINT as programs in the foreground have it: those that a shell starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_the_foreground")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_behind(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM end the program in the middle of a write without a file or a word."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)  # less than the result: the program has to wait
    process = start(
        "freeze",
        DIGITS,
        "-o",
        "-",
        "--report",
        "r.json",
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
    )
    os.close(writing)
    assert os.read(reading, 1)
    process.send_signal(number)
    while os.read(reading, 4096):
        pass
    os.close(reading)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, b"")
    assert list(tmp_path.iterdir()) == []


_INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

_, module, program, *arguments = sys.argv
sys.meta_path.insert(0, Interrupt())
sys.argv[:] = [program, *arguments]
runpy.run_module(program, run_name="__main__", alter_sys=True)
"""


@pytest.mark.usefixtures("in_the_foreground")
@pytest.mark.parametrize(
    ("module", "program"),
    [
        ("tffreeze.cli.main", "tffreeze"),
        ("click", "tffreeze"),
        ("tffreeze.cli.freeze", "tffreeze"),
        ("google.protobuf.message", "tffreeze"),
        ("tffreeze_server.freeze", "tffreeze"),
        ("google_crc32c", "tffreeze"),
        ("tffreeze_server.server.main", "tffreeze_server.server.start"),
        ("tffreeze_server.server.flags", "tffreeze_server.server.start"),
        ("tffreeze_server.server.run", "tffreeze_server.server.start"),
        ("grpc", "tffreeze_server.server.start"),
    ],
)
def test_an_interrupt_during_an_import_is_quiet(module: str, program: str, tmp_path: Path) -> None:
    """Ctrl-C while a program is still being imported: exit code 130, no traceback, no file."""
    arguments = ["--port", "0"] if "server" in program else ["freeze", DIGITS, "-o", "f.pb"]
    command = [sys.executable, "-c", _INTERRUPTED_IMPORT, module, program, *arguments]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, timeout=60, check=False
    )
    assert (130, b"") == (done.returncode, done.stderr)
    assert [] == list(tmp_path.iterdir())


def test_both_programs_start_where_signals_are_taken_care_of() -> None:
    """The installed programs begin with the modules that take care of signals first."""
    scripts = tomllib.loads((FIXTURES.parent.parent / "pyproject.toml").read_text())["project"]["scripts"]
    assert {
        "tffreeze": "tffreeze.__main__:main",
        "tffreeze-server": "tffreeze_server.server.start:main",
    } == scripts


def test_an_unexpected_error_is_one_line(tmp_path: Path) -> None:
    """A defect shows no traceback, says how to see it, and TFFREEZE_DEBUG shows it."""
    broken = (
        "import tffreeze.embedded as e, tffreeze.cli.main as m\n"
        "def freeze(*a, **k): raise ZeroDivisionError('of all things')\n"
        "e.freeze = freeze\n"
        f"import sys; sys.argv = ['tffreeze', 'freeze', {DIGITS!r}, '-o', 'f']; m.main()"
    )
    command = [sys.executable, "-c", broken]
    for debug in ("", "1"):
        changed = environment(TFFREEZE_DEBUG=debug)
        done = subprocess.run(command, cwd=tmp_path, env=changed, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "ZeroDivisionError: of all things" in done.stderr
        assert "reason: INTERNAL" in done.stderr
        assert ("Traceback" in done.stderr) == bool(debug)


@pytest.mark.parametrize(("no_color", "colour"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(
    no_color: str, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors are red on a terminal, and plain where NO_COLOR is set."""
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    changed = environment(NO_COLOR=no_color)
    command = [*PROGRAM, "freeze", "nowhere", "-o", "f"]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=changed)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # how Linux tells that the other end is closed
        while chunk := os.read(ours, 4096):
            seen += chunk
    os.close(ours)
    assert process.wait(timeout=60) == 2
    assert (b"\x1b[" in seen) == colour


def test_a_binary_graph_is_not_written_to_a_terminal() -> None:
    """`-o -` on a terminal would garble it: refused."""
    ours, theirs = pty.openpty()
    process = start("freeze", DIGITS, "-o", "-", stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    _, err = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, b"terminal" in err) == (2, True)


def test_text_is_written_to_a_terminal() -> None:
    """It can be read there."""
    ours, theirs = pty.openpty()
    process = start("freeze", DIGITS, "-q", "--text", "-o", "-", stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # how Linux tells that the other end is closed
        while chunk := os.read(ours, 4096):
            seen += chunk
    os.close(ours)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err, seen[:6]) == (0, b"", b"node {")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_written(shell: str) -> None:
    """Each shell gets its script."""
    run = tffreeze("completion", shell)
    assert (run.code, "_TFFREEZE_COMPLETE" in run.out) == (0, True)


def test_completion_completes_flags() -> None:
    """What the script asks for is answered: the flags of a command."""
    run = tffreeze(_TFFREEZE_COMPLETE="bash_complete", COMP_WORDS="tffreeze freeze --out", COMP_CWORD="2")
    assert run.out.split() == ["plain,--output", "plain,--output-nodes"]


@pytest.mark.parametrize("arguments", [[], ["freeze"], ["inspect"], ["freeze-graph"], ["completion"]])
def test_help_has_examples(arguments: list[str]) -> None:
    """Every command's help shows how it is used."""
    run = tffreeze(*arguments, "--help")
    assert (run.code, "Examples:" in run.out) == (0, True)


def test_help_documents_the_exit_codes() -> None:
    """The table of exit codes is part of the help."""
    out = tffreeze("--help").out
    assert all(f"\n    {code:>3}  " in out for code in (0, 1, 2, 3, 4, 130))


def test_the_help_of_freeze_has_sections() -> None:
    """What is required comes first; every option is in a section, and the help of the help in the last."""
    out = tffreeze("freeze", "--help").out
    headings = re.findall(r"^(\S.*):$", out, flags=re.MULTILINE)
    assert ["Required", "Model", "What to keep", "Output", "Server", "Other"] == headings
    assert "  -o, --output OUT" in out.split("Required:\n")[1].split("\n\n")[0]
    assert ["-h, --help  Show this message and exit."] == [
        line.strip() for line in out.split("Other:\n")[1].splitlines()
    ]
