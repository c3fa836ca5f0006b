"""Freeze TensorFlow models: graph and checkpoint in, one frozen GraphDef out.

    import tffreeze

    result = tffreeze.freeze("saved_model/", output="frozen.pb")
    print(result.report.outputs)

    with tffreeze.Client("localhost:50051") as client:
        client.freeze("saved_model/", output="frozen.pb")

Imports nothing heavy: each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib

from tffreeze._version import __version__

TYPE_CHECKING = False  # `typing` would be half of what is imported before the first line of a program
if TYPE_CHECKING:
    from typing import Any

    from tffreeze.aio import AsyncClient
    from tffreeze.capabilities import Capabilities, Limits
    from tffreeze.client import Client
    from tffreeze.connection import Tls
    from tffreeze.embedded import freeze, freeze_bytes, inspect
    from tffreeze.errors import (
        AccessError,
        BusyError,
        ModelFileError,
        NotFoundError,
        RequestError,
        ServiceError,
        TffreezeError,
        TimeLimitError,
        UnavailableError,
    )
    from tffreeze.events import Finished, FreezeEvent, Started, Working, Writing
    from tffreeze.inspection import Inspection
    from tffreeze.report import Report
    from tffreeze.result import FreezeResult, FrozenBytes

__all__ = [
    "AccessError",
    "AsyncClient",
    "BusyError",
    "Capabilities",
    "Client",
    "Finished",
    "FreezeEvent",
    "FreezeResult",
    "FrozenBytes",
    "Inspection",
    "Limits",
    "ModelFileError",
    "NotFoundError",
    "Report",
    "RequestError",
    "ServiceError",
    "Started",
    "TffreezeError",
    "TimeLimitError",
    "Tls",
    "UnavailableError",
    "Working",
    "Writing",
    "__version__",
    "freeze",
    "freeze_bytes",
    "inspect",
]

_HOMES = {
    "aio": ("AsyncClient",),
    "capabilities": ("Capabilities", "Limits"),
    "client": ("Client",),
    "connection": ("Tls",),
    "embedded": ("freeze", "freeze_bytes", "inspect"),
    "events": ("Finished", "FreezeEvent", "Started", "Working", "Writing"),
    "inspection": ("Inspection",),
    "report": ("Report",),
    "result": ("FreezeResult", "FrozenBytes"),
}
"""The module of each public name; all others are exceptions."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as many types as names
    if name not in __all__:
        raise AttributeError(f"module 'tffreeze' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "errors")
    return getattr(importlib.import_module(f"tffreeze.{home}"), name)


def __dir__() -> list[str]:
    return __all__
