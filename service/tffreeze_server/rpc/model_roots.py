"""Model roots: folders of the server that callers may name. `beneath` sees to it that nobody leaves them."""

from __future__ import annotations

from pathlib import Path

from tffreeze_server.errors import FreezeError, Reason, listed
from tffreeze_server.rpc.caller import Caller
from tffreeze_server.rpc.limits import CallSettings


def model_root(name: str, settings: CallSettings, caller: Caller) -> Path:
    """Give the folder of a model root.

    Raises:
        FreezeError: MODEL_ROOT_NOT_FOUND: there is none, or it is not for this caller, who is told the same.

    """
    if name in settings.model_roots and caller.may_use(name):
        return settings.model_roots[name]
    raise FreezeError(
        Reason.MODEL_ROOT_NOT_FOUND,
        f"The server has no model root {name!r}. There are: {listed(roots_of(settings, caller)) or 'none'}.",
        subject=name,
    )


def roots_of(settings: CallSettings, caller: Caller) -> list[str]:
    """Names of the model roots that a caller may use, sorted."""
    return sorted(name for name in settings.model_roots if caller.may_use(name))
