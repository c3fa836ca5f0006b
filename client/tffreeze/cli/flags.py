"""The flags that several commands share, and how they become the arguments of a freeze."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from tffreeze.cli.sections import KEEP, MODEL, option, with_options
from tffreeze.options import FreezeArguments

_Command = TypeVar("_Command", bound=Callable[..., Any])


def names(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Split `A,B`; spaces around names do not count. A flag type of click's."""
    if isinstance(value, tuple):
        return value
    return tuple(name.strip() for name in value.split(",") if name.strip())


FILE = click.Path(dir_okay=False)


def model_flags(command: _Command) -> _Command:
    """The model, all that says how to read it, and what of it to keep."""
    return with_options(
        command,
        click.argument("model", type=click.Path()),
        option(
            MODEL,
            "--checkpoint",
            metavar="P",
            type=click.Path(),
            help="A checkpoint: its prefix, any of its files, the directory it is in, or a SavedModel. "
            "Default: the SavedModel's own, or the one beside a .meta file.",
        ),
        option(MODEL, "--saver", metavar="F", type=FILE, help="A file with a SaverDef, binary or text."),
        option(
            MODEL, "--restore-op", metavar="OP", help="The saver's restore op, instead of the model's own."
        ),
        option(
            MODEL,
            "--filename-tensor",
            metavar="T",
            help="The tensor the saver reads the checkpoint's path from, instead of the model's own.",
        ),
        option(
            MODEL,
            "--tags",
            type=names,
            metavar="A,B",
            help="Tags of the MetaGraph to take. Default: serve, or the only MetaGraph there is.",
        ),
        option(
            MODEL,
            "--op-list",
            metavar="F",
            type=FILE,
            help="A file with an OpList, binary or text: ops that neither the model nor TensorFlow defines.",
        ),
        option(
            KEEP,
            "--signature",
            "signature_keys",
            multiple=True,
            metavar="KEY",
            help="A signature to keep; may be repeated. Default: serving_default, or the only one there is.",
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
            help="Tensors to cut the graph at: each becomes a Placeholder.",
        ),
    )


def arguments(flags: dict[str, Any]) -> FreezeArguments:
    """Make the arguments of a freeze from the flags that were given; other flags are left out."""
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
