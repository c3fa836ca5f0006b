"""Output for people: errors, summaries, tables. Plain text; colour on a terminal only."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from tffreeze.cli import stdout
from tffreeze.errors import TffreezeError
from tffreeze.printable import encodable, printable

if TYPE_CHECKING:
    from tffreeze_common.report import Report, Shape, TensorReport

MAX_LINES = 12
"""Lines of one list in a summary; the report has all of them."""

NEXT_STEPS = {
    "MODEL_NOT_FOUND": "give a SavedModel directory, or a GraphDef or MetaGraphDef file.",
    "TAGS_NOT_FOUND": "`tffreeze inspect MODEL` lists the tags; choose with --tags A,B.",
    "SIGNATURE_NOT_FOUND": "`tffreeze inspect MODEL` lists the signatures; choose with --signature KEY.",
    "OUTPUTS_NEEDED": "`tffreeze inspect MODEL` ranks candidates; choose with --output-nodes A,B.",
    "OUTPUT_NOT_FOUND": "`tffreeze inspect MODEL` lists outputs; choose with --output-nodes A,B.",
    "CHECKPOINT_NEEDED": "give the checkpoint with --checkpoint PREFIX.",
    "RESTORE_OP_NOT_FOUND": "`tffreeze inspect MODEL` lists the savers.",
    "FILENAME_TENSOR_NOT_FOUND": "`tffreeze inspect MODEL` lists the savers.",
    "REACHABLE_WRITE": "keep that variable with --deny V, or cut the graph with --input-nodes T.",
    "UNSUPPORTED_RESTORE": "keep that variable with --deny V, or save the model again with a plain Saver.",
    "UNKNOWN_OP": "give the definitions with --op-list FILE.",
    "INTERNAL": "this is a bug in tffreeze: please report it, with the command and the model.",
}
"""The next command to run, by reason. `MODEL` is replaced by the path that was typed."""


class Write(Protocol):
    """Writes one line to a stream, as `say` does."""

    def __call__(self, line: str, *, label: str = ..., colour: str | None = ...) -> None:
        """Write it."""


def say(line: str, stream: TextIO | None, *, label: str = "", colour: str | None = None) -> None:
    """Write one line.

    Names in models and messages of servers are untrusted text: control characters are escaped.
    A stream that was closed when the program started is None: the line is dropped. If stderr fails, the line
    is dropped, too; the exit code still tells the error.

    Args:
        line: The text; what cannot be shown or encoded is escaped.
        stream: The stream to write to.
        label: Text before the line; in colour on a terminal, unless NO_COLOR is set (no-color.org).
        colour: Colour of the label.

    Raises:
        TffreezeError: Standard output cannot be written.

    """
    if stream is None:
        return
    shown = printable(line)
    if label:
        shown = f"{click.style(label, fg=colour, bold=colour == 'red')} {shown}"
    text = encodable(shown, getattr(stream, "encoding", None))
    with contextlib.suppress(OSError) if stream is sys.stderr else stdout.failures():
        click.echo(text, file=stream, color=False if os.environ.get("NO_COLOR") else None)


def with_model(text: str, model: str) -> str:
    """Put the model's path, quoted for a shell, into a next step."""
    import shlex  # noqa: PLC0415 - only an error needs it

    return text.replace("MODEL", shlex.quote(model))


def show_error(error: TffreezeError, in_own_words: Callable[[str], str] = str) -> None:
    """Print an error on stderr: message, reason and next step; `in_own_words` adapts the latter."""
    say(error.message, sys.stderr, label="error:", colour="red")
    say(f"reason: {error.reason}", sys.stderr)
    if error.reason in NEXT_STEPS:
        say(f"next: {in_own_words(NEXT_STEPS[error.reason])}", sys.stderr)
    if _debug():
        _show_traceback(error)


def show_unexpected(error: Exception) -> None:
    """Print an unexpected exception on stderr; with TFFREEZE_DEBUG also its traceback."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    show_error(TffreezeError("INTERNAL", f"Unexpected error: {text}"))
    if _debug():
        _show_traceback(error)
    else:
        say("Set TFFREEZE_DEBUG=1 in the environment to see the traceback.", sys.stderr)


def _show_traceback(error: Exception) -> None:
    for line in "".join(traceback.format_exception(error)).split("\n"):
        say(line, sys.stderr)


def _debug() -> bool:
    return os.environ.get("TFFREEZE_DEBUG", "") not in ("", "0")


def show_report(report: Report, output: str, stream: TextIO | None, sha256: str | None = None) -> None:
    """Print the summary of a freeze."""
    write = partial(say, stream=stream)
    write(f"{output}: {size(report.size_bytes)}, {count(report.nodes, 'node')}, crc32c {report.crc32c}")
    if sha256:
        write(f"sha256: {sha256}")
    _tensors(write, "inputs", report.inputs)
    _tensors(write, "outputs", report.outputs)
    weights = sum(variable.size_bytes for variable in report.variables)
    write(f"frozen: {count(len(report.variables), 'variable')}, {size(weights)}")
    averages = sum(variable.source == "moving_average" for variable in report.variables)
    if averages:
        write(f"  {averages} of them from their moving averages")
    if report.kept_variables:
        more = len(report.kept_variables) - MAX_LINES
        shown = [*report.kept_variables[:MAX_LINES], *([f"… and {more} more"] if more > 0 else [])]
        write(f"kept as variables: {', '.join(shown)}")
    dropped = report.dropped
    write(
        f"dropped: {count(dropped.nodes, 'node')}, {count(dropped.functions, 'function')}, "
        f"{count(len(dropped.variables), 'variable')}, {count(len(dropped.checkpoint_keys), 'checkpoint key')}"
    )
    if report.initializers:
        write("run once before the outputs:")
        rows = [(i.op, f"fills {i.table}", f"from {i.asset}" if i.asset else "") for i in report.initializers]
        table(write, rows)
    for warning in report.warnings[:MAX_LINES]:
        say(warning.message, stream, label="warning:", colour="yellow")
    if len(report.warnings) > MAX_LINES:
        write(f"… and {len(report.warnings) - MAX_LINES} more warnings: see --report.")


def _tensors(write: Write, title: str, tensors: Sequence[TensorReport]) -> None:
    write(f"{title}:" if tensors else f"{title}: none")
    many = len({tensor.signature_key for tensor in tensors}) > 1
    table(
        write,
        [
            (f"{t.signature_key}/{t.key}" if many else t.key, t.tensor, type_and_shape(t.dtype, t.shape))
            for t in tensors
        ],
    )


def table(write: Callable[[str], None], rows: Sequence[Sequence[str]]) -> None:
    """Write rows with aligned columns, indented; skip empty columns; at most `MAX_LINES` rows."""
    shown = [tuple(map(printable, row)) for row in rows[:MAX_LINES]]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width]
        write(f"  {'  '.join(cells).rstrip()}")
    if len(rows) > len(shown):
        write(f"  … and {len(rows) - len(shown)} more")


def type_and_shape(dtype: str, shape: Shape) -> str:
    """Format a tensor's type, such as `float32 [?, 224, 224, 3]`."""
    sizes = "of unknown rank" if shape is None else f"[{', '.join('?' if n < 0 else str(n) for n in shape)}]"
    return f"{dtype or 'unknown dtype'} {sizes}"


def size(size_bytes: int) -> str:
    """Format bytes, such as `102.8 MB`: 1 MB is a million bytes, as for disks and downloads."""
    if size_bytes < 1000:
        return count(size_bytes, "byte")
    scale, unit = next(
        (s, u) for s, u in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size_bytes >= 0.99995 * s
    )
    return f"{size_bytes / scale:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """Format a count, such as `1 node` or `12 nodes`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is an open terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def stdout_or_stderr(taken: bool) -> TextIO | None:
    """The stream for the summary: stderr if the result goes to stdout."""
    return sys.stderr if taken else sys.stdout
