"""Freeze TensorFlow models: graph and checkpoint in, one frozen GraphDef out.

    import tffreeze

    result = tffreeze.freeze("saved_model/", output="frozen.pb")
    print(result.report.outputs)

    with tffreeze.Client("localhost:50051") as client:
        client.freeze("saved_model/", output="frozen.pb")

`import tffreeze` is fast: each name is imported when it is first used.
"""

from __future__ import annotations

import importlib

from tffreeze._version import __version__

TYPE_CHECKING = False  # importing `typing` would double the start-up time
if TYPE_CHECKING:
    from typing import Any

    from tffreeze import testing
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
    from tffreeze.options import FreezeArguments, ModelFiles, Names, StrPath
    from tffreeze.output import Target
    from tffreeze.remote import CallArguments, Delivery, RemoteArguments
    from tffreeze.result import FreezeResult, FrozenBytes
    from tffreeze.retry import Stop
    from tffreeze.send import OnProgress
    from tffreeze_common.inspection import (
        AssetInspection,
        Inspection,
        NeedInspection,
        ObstacleInspection,
        SaverInspection,
        SignatureInspection,
        TensorInspection,
        VariableInspection,
        VariableStatus,
    )
    from tffreeze_common.report import (
        DroppedReport,
        InitializerReport,
        Report,
        Shape,
        TensorReport,
        VariableReport,
        WarningReport,
    )

__all__ = [
    "AccessError",
    "AssetInspection",
    "AsyncClient",
    "BusyError",
    "CallArguments",
    "Capabilities",
    "Client",
    "Delivery",
    "DroppedReport",
    "Finished",
    "FreezeArguments",
    "FreezeEvent",
    "FreezeResult",
    "FrozenBytes",
    "InitializerReport",
    "Inspection",
    "Limits",
    "ModelFileError",
    "ModelFiles",
    "Names",
    "NeedInspection",
    "NotFoundError",
    "ObstacleInspection",
    "OnProgress",
    "RemoteArguments",
    "Report",
    "RequestError",
    "SaverInspection",
    "ServiceError",
    "Shape",
    "SignatureInspection",
    "Started",
    "Stop",
    "StrPath",
    "Target",
    "TensorInspection",
    "TensorReport",
    "TffreezeError",
    "TimeLimitError",
    "Tls",
    "UnavailableError",
    "VariableInspection",
    "VariableReport",
    "VariableStatus",
    "WarningReport",
    "Working",
    "Writing",
    "__version__",
    "freeze",
    "freeze_bytes",
    "inspect",
    "testing",
]

_HOMES = {
    "tffreeze.aio": ("AsyncClient",),
    "tffreeze.capabilities": ("Capabilities", "Limits"),
    "tffreeze.client": ("Client",),
    "tffreeze.connection": ("Tls",),
    "tffreeze.embedded": ("freeze", "freeze_bytes", "inspect"),
    "tffreeze.events": ("Finished", "FreezeEvent", "Started", "Working", "Writing"),
    "tffreeze.options": ("FreezeArguments", "ModelFiles", "Names", "StrPath"),
    "tffreeze.output": ("Target",),
    "tffreeze.remote": ("CallArguments", "Delivery", "RemoteArguments"),
    "tffreeze.result": ("FreezeResult", "FrozenBytes"),
    "tffreeze.retry": ("Stop",),
    "tffreeze.send": ("OnProgress",),
    "tffreeze_common.inspection": (
        "AssetInspection",
        "Inspection",
        "NeedInspection",
        "ObstacleInspection",
        "SaverInspection",
        "SignatureInspection",
        "TensorInspection",
        "VariableInspection",
        "VariableStatus",
    ),
    "tffreeze_common.report": (
        "DroppedReport",
        "InitializerReport",
        "Report",
        "Shape",
        "TensorReport",
        "VariableReport",
        "WarningReport",
    ),
}
"""The module of each public name. All other names are exceptions, in `errors`."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as many types as names
    if name not in __all__:
        raise AttributeError(f"module 'tffreeze' has no attribute {name!r}")
    if name == "testing":
        return importlib.import_module("tffreeze.testing")
    home = next((home for home, names in _HOMES.items() if name in names), "tffreeze.errors")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return __all__
