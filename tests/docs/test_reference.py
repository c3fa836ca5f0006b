"""The reference says all that there is, and nothing that is not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from tffreeze.cli import exit_codes
from tffreeze.cli.main import COMMANDS, cli
from tffreeze.v1 import errors_pb2
from tffreeze_common.report import WarningCode

DOCS = Path(__file__).resolve().parents[2] / "docs"


def rows(file: str) -> dict[int, str]:
    """The tables of exit codes: code and meaning."""
    text = (DOCS / file).read_text(encoding="utf-8")
    return {
        int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", text, flags=re.MULTILINE)
    }


def sections(file: str) -> dict[str, str]:
    """The text below each heading of the second level, by the heading."""
    parts = re.split(r"^## (.*)$", (DOCS / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def first_cells(section: str) -> list[str]:
    """The first cell of each row, header and rule left out."""
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_every_reason_is_documented() -> None:
    """docs/errors.md has each reason of the contract once, and no other."""
    documented = [
        cell.strip("`") for section in sections("errors.md").values() for cell in first_cells(section)
    ]
    reasons = [value.name.removeprefix("ERROR_REASON_") for value in errors_pb2.ErrorReason.DESCRIPTOR.values]
    assert sorted(set(reasons) - {"UNSPECIFIED"}) == sorted(documented)


@pytest.mark.parametrize("command", ["freeze", "inspect", "freeze-graph", "health"])
def test_every_option_is_documented(command: str) -> None:
    """docs/cli.md has each option of each command, and no other."""
    found = cli.get_command(click.Context(cli), command)
    assert isinstance(found, click.Command)
    flags = {flag for option in found.params if isinstance(option, click.Option) for flag in option.opts}
    text = next(
        text for heading, text in sections("cli.md").items() if heading.startswith(f"`tffreeze {command}")
    )
    documented = {flag for cell in first_cells(text) for flag in re.findall(r"(?<![\w-])-[\w-]+", cell)}
    assert flags - {"--help", "-h"} == documented


def test_every_warning_is_documented() -> None:
    """docs/cli.md has each code that a report may warn of, and no other."""
    text = (DOCS / "cli.md").read_text(encoding="utf-8").split("## Warnings")[1].split("\n## ")[0]
    assert set(WarningCode) == {cell.strip("`") for cell in first_cells(text)}


def test_every_command_is_documented() -> None:
    """docs/cli.md has a section for each command."""
    headings = [
        heading.strip("`").split() for heading in sections("cli.md") if heading.startswith("`tffreeze")
    ]
    assert list(COMMANDS) == [words[1].strip("`") for words in headings]


def test_every_exit_code_is_documented() -> None:
    """docs/cli.md and docs/server.md have each exit code with its meaning."""
    assert exit_codes.MEANINGS == rows("cli.md")
    server_codes = pytest.importorskip("tffreeze_server.server.exit_codes")
    assert server_codes.MEANINGS == rows("server.md")


def test_every_setting_of_the_server_is_documented() -> None:
    """docs/server.md has each setting with what its help says."""
    flags = pytest.importorskip("tffreeze_server.server.flags").FLAGS
    text = (DOCS / "server.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `--([\w-]+)[^|]*\|[^|]*\| (.*) \|$", text, flags=re.MULTILINE)
    assert [(flag.name, flag.help) for flag in flags] == documented
