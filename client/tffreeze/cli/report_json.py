"""What `--report` writes: `docs/report.schema.json` describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tffreeze import __version__
from tffreeze_common.dataclass_fields import as_json

if TYPE_CHECKING:
    from tffreeze.result import FreezeResult
    from tffreeze_common.options import FreezeOptions

SCHEMA_VERSION = 1
"""Goes up when a key goes away or changes its meaning; new keys may come without."""

MODEL = ("checkpoint", "saver", "op_list", "model_root")


def report_json(
    result: FreezeResult, model: str, flags: Mapping[str, Any], options: FreezeOptions
) -> dict[str, Any]:
    """Say what was frozen, how, by which version, and what came out.

    Args:
        result: Of the freeze.
        model: The path of the model, as it was given.
        flags: Those of `MODEL`.
        options: What was asked for.

    """
    return {
        "schema_version": SCHEMA_VERSION,
        "tffreeze_version": __version__,
        "model": {"path": model, **{name: flags[name] for name in MODEL}},
        "options": as_json(options),
        "digests": {"crc32c": result.report.crc32c, "sha256": result.sha256},
        **result.report.to_json(),
    }
