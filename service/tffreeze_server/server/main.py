"""The program `tffreeze-server`, also `tffreeze serve`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import textwrap
from collections.abc import Sequence

from tffreeze import __version__
from tffreeze_server.server import exit_codes
from tffreeze_server.server.config import (
    CONFIG_VARIABLE,
    ConfigError,
    Raw,
    parse_settings,
    read_raw,
    retired,
)
from tffreeze_server.server.flags import ENVIRONMENT_PREFIX, FLAGS, RETIRED, Flag, ServerSettings
from tffreeze_server.server.parent import ParentGoneError
from tffreeze_server.server.tokens import new_token

PROGRAM = "tffreeze-server"

_TOKEN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def main(argv: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run the server.

    Args:
        argv: The command line without the program; None: that of the process.
        program: Its name in help.

    Returns:
        The exit code.

    """
    arguments = parser(program).parse_args(argv)
    if arguments.new_token is not None:
        return _new_token(arguments.new_token)
    try:
        raw = read_raw(arguments, os.environ)
        settings = parse_settings(raw)
    except ConfigError as error:
        for problem in error.problems:
            print(f"{program}: {problem}", file=sys.stderr)
        return exit_codes.CONFIG
    for warning in retired(raw):
        print(f"{program}: {warning}", file=sys.stderr)
    if arguments.check_config:
        return _show(settings, raw)
    return _run(settings, program)


def _run(settings: ServerSettings, program: str) -> int:
    # Until the server listens to signals itself. As PID 1 of a container it would not even die of one.
    signal.signal(signal.SIGTERM, _end_early)
    # gRPC is slow to import: a wrong configuration is told before.
    from tffreeze_server.server.run import run  # noqa: PLC0415 - see above

    try:
        return run(settings)
    except (OSError, ParentGoneError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return exit_codes.FAULT


def _end_early(number: int, frame: object) -> None:  # noqa: ARG001 - as signal calls it
    raise SystemExit(exit_codes.OK)


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """Make the parser of the command line from the table of flags. Values stay as they were given."""
    codes = "\n".join(f"  {code}  {meaning}" for code, meaning in exit_codes.MEANINGS.items())
    result = argparse.ArgumentParser(
        prog=program,
        description="Serve tffreeze.v1.FreezeService: models come in, frozen graphs go out.",
        epilog=textwrap.dedent(f"""\
            Each setting can also be given as an environment variable ({ENVIRONMENT_PREFIX}DRAIN_SECONDS for
            --drain-seconds) and in the file of --config (drain-seconds = 60). Flags win over variables, those
            over the file.

            Exit codes:
            """)
        + codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--version", action="version", version=f"{program} {__version__}")
    result.add_argument(
        "--config", metavar="FILE", help=f"A TOML file with settings (also {CONFIG_VARIABLE})."
    )
    result.add_argument(
        "--check-config",
        action="store_true",
        help="Print the effective configuration, or the errors, and exit.",
    )
    result.add_argument(
        "--new-token",
        metavar="NAME",
        help="Make a token, show it and its lines for --auth-tokens, and end.",
    )
    groups = {flag.section: flag.section for flag in FLAGS}
    for section in groups:
        group = result.add_argument_group(section)
        for flag in FLAGS:
            if flag.section == section:
                _add(group, flag)
    for name in RETIRED:
        result.add_argument(f"--{name}", help=argparse.SUPPRESS)
    return result


def _add(group: argparse._ArgumentGroup, flag: Flag) -> None:
    text = flag.help.replace("%", "%%")
    if not flag.metavar:
        group.add_argument(f"--{flag.name}", action=argparse.BooleanOptionalAction, default=None, help=text)
        return
    if flag.default not in (None, {}):
        text += f" Default: {flag.default}.".replace("%", "%%")
    action = "append" if isinstance(flag.default, dict) else "store"
    group.add_argument(f"--{flag.name}", metavar=flag.metavar, action=action, help=text)


def _show(settings: ServerSettings, raw: dict[str, Raw]) -> int:
    print("The configuration is valid.")
    for flag in FLAGS:
        owner = settings if hasattr(settings, flag.field) else settings.calls
        value = getattr(owner, flag.field)
        if isinstance(value, dict):
            value = " ".join(f"{name}={folder}" for name, folder in value.items()) or None
        given = raw.get(flag.name)
        origin = "default" if given is None else given.origin or "from the command line"
        print(f"  --{flag.name:<28} {'-' if value is None else value}  ({origin})")
    return exit_codes.OK


def _new_token(name: str) -> int:
    if not _TOKEN_NAME.fullmatch(name):
        print(
            f"--new-token {name!r}: is not 1 to 64 letters, digits, dots, dashes and underscores.",
            file=sys.stderr,
        )
        return exit_codes.CONFIG
    token, lines = new_token(name)
    print("# The token, for the caller; it is shown only now:", file=sys.stderr)
    print(token)
    print("# For the file of --auth-tokens:", file=sys.stderr)
    print(lines, end="", file=sys.stderr)
    return exit_codes.OK


if __name__ == "__main__":
    sys.exit(main())
