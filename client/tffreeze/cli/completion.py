"""`tffreeze completion`."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

from tffreeze.cli.show import say


@click.command("completion", short_help="Write a completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Write a script that completes tffreeze's commands and flags in SHELL.

    \b
    Examples:
      tffreeze completion bash > ~/.local/share/bash-completion/completions/tffreeze
      tffreeze completion zsh > "${fpath[1]}/_tffreeze"
      tffreeze completion fish > ~/.config/fish/completions/tffreeze.fish
    """  # noqa: D301 - click looks for the character that \b stands for
    kind = get_completion_class(shell)
    assert kind is not None, "every choice is one of click's shells"
    say(kind(ctx.find_root().command, {}, "tffreeze", "_TFFREEZE_COMPLETE").source(), sys.stdout)
