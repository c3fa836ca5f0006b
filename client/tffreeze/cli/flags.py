"""Flags that several commands share, and their conversion to the arguments of a freeze."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from tffreeze.cli.sections import KEEP, MODEL, option, with_options
from tffreeze.options import FreezeArguments

_Command = TypeVar("_Command", bound=Callable[..., Any])


def names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Split `A,B`, ignoring spaces around names. A click parameter type."""
    if isinstance(value, tuple):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


class _Model(click.Path):
    """A path that is not empty. An unset variable of a shell would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 - as click has it
        """Take it as it is: it may be below a model root of a server."""
        if not value:
            self.fail("it is empty.", param, ctx)
        return super().convert(value, param, ctx)


FILE = click.Path(dir_okay=False)
"""A file of this machine."""

ANYWHERE = click.Path(readable=False)
"""A path here, or below a model root of a server: nothing is looked at."""


def _keep_as_typed(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001 - as click calls it
    """Keep the parameters with the root context: an error shows the model as it was typed."""
    ctx.find_root().obj = ctx.params
    return value


def model_flags(command: _Command) -> _Command:
    """Add the model, the flags that say how to read it, and those that say what to keep."""
    return with_options(
        command,
        click.argument("model", type=_Model(readable=False), callback=_keep_as_typed),
        option(
            MODEL,
            "--checkpoint",
            metavar="P",
            type=ANYWHERE,
            help="A checkpoint: its prefix, any of its files, the directory it is in, or a SavedModel. "
            "Default: the SavedModel's own, or the one beside a .meta file.",
        ),
        option(MODEL, "--saver", metavar="F", type=ANYWHERE, help="A file with a SaverDef, binary or text."),
        option(MODEL, "--restore-op", metavar="OP", help="Use this restore op instead of the model's own."),
        option(
            MODEL,
            "--filename-tensor",
            metavar="T",
            help="The tensor that holds the checkpoint's path, instead of the model's own.",
        ),
        option(
            MODEL,
            "--tags",
            type=names,
            metavar="A,B",
            help="Tags of the MetaGraph. Default: serve, or the only MetaGraph.",
        ),
        option(
            MODEL,
            "--op-list",
            metavar="F",
            type=ANYWHERE,
            help="A file with an OpList, binary or text: ops that neither the model nor TensorFlow defines.",
        ),
        option(
            KEEP,
            "--signature",
            "signature_keys",
            multiple=True,
            metavar="KEY",
            help="Signature to keep; may be repeated. Default: serving_default, or the only one.",
        ),
        option(
            KEEP,
            "--output-nodes",
            type=names,
            multiple=True,
            metavar="A,B",
            help="Outputs by node or tensor name, instead of a signature.",
        ),
        option(
            KEEP,
            "--input-nodes",
            type=names,
            multiple=True,
            metavar="A,B",
            help="Cut the graph at these tensors: each becomes a Placeholder.",
        ),
    )


def arguments(flags: dict[str, Any]) -> FreezeArguments:
    """Convert the given flags to the arguments of a freeze; other flags are left out."""
    result: dict[str, Any] = {}
    for key in FreezeArguments.__annotations__:
        value = flags.get(key)
        if value is None:
            continue
        if key in ("output_nodes", "input_nodes", "allow", "deny"):
            result[key] = tuple(name for several in value for name in several)
        else:
            result[key] = value
    return cast(FreezeArguments, result)
