"""The only place where the client imports `tffreeze_server`: lazily and by name."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

from tffreeze.errors import error_for

PACKAGES = (
    "tffreeze_server",
    "google_crc32c",
    "cramjam",
    "grpc_health",
    "grpc_reflection",
    "prometheus_client",
)
"""What `tffreeze[server]` installs."""


def load(module: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of `tffreeze_server`.

    Raises:
        RequestError: ENGINE_NOT_INSTALLED.

    """
    try:
        return importlib.import_module(f"tffreeze_server.{module}")
    except ModuleNotFoundError as error:
        missing = error.name
        if missing not in PACKAGES:
            raise
        raise error_for(
            "ENGINE_NOT_INSTALLED",
            f"The package {missing!r} is not installed. You need it to freeze without a server, or to run one. "
            "Install it with: pip install 'tffreeze[server]'",
            missing,
        ) from None


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the engine's exceptions into the client's."""
    engine_error = load("errors").FreezeError
    try:
        yield
    except engine_error as error:
        made = error_for(error.reason.name, error.message, error.subject)
        made.retryable = False  # without a server, the same call fails again
        raise made from error
