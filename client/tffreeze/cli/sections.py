"""Options in sections: a long help that can be looked through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

REQUIRED, MODEL, KEEP, OUTPUT, SERVER = "Required", "Model", "What to keep", "Output", "Server"
_OTHER = "Other"

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Option(click.Option):
    """An option that knows its section."""

    def __init__(self, *declarations: Any, section: str, **settings: Any) -> None:  # noqa: ANN401 - as click calls it
        super().__init__(*declarations, **settings)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help has a section for each that its options name, in the order of the options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            line = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if line is not None:
                sections.setdefault(getattr(parameter, "section", _OTHER), []).append(line)
        for section, lines in sections.items():
            with formatter.section(section):
                formatter.write_dl(lines)


def option(section: str, *names: str, **settings: Any) -> Callable[[_Command], _Command]:  # noqa: ANN401 - click's own
    """Make an option of a section; the rest as for `click.option`."""
    return click.option(*names, cls=_Option, section=section, **settings)


def with_options(command: _Command, *decorators: Callable[[_Command], _Command]) -> _Command:
    """Give a command options, in the order in which help shows them."""
    for decorator in reversed(decorators):
        command = decorator(command)
    return command
