"""From a checked request to a result: runs the engine, in a planner. No grpc, no event loop.

The server imports this module to name its functions to planners, and never runs them. So they import the engine
themselves: without it the server starts with a third less CPU time and 4 MiB less memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tffreeze.v1 import model_pb2, options_pb2
from tffreeze_common.dataclass_fields import from_message
from tffreeze_common.inspection import Inspection
from tffreeze_common.options import FreezeOptions
from tffreeze_files.access import using
from tffreeze_server.checkpoint.problems import file_size_bytes
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.beneath import FilesBeneath, Identity
from tffreeze_server.rpc.messages import source_from_message
from tffreeze_server.rpc.place import Place
from tffreeze_server.rpc.result import Asset, Result

if TYPE_CHECKING:
    from tffreeze_server.freeze import FreezeResult


def plan_freeze(
    source: model_pb2.ModelSource, wanted: options_pb2.FreezeOptions, place: Place, max_result_bytes: int
) -> Result:
    """Plan a result.

    Raises:
        FreezeError: With the reason; WEIGHTS_NEEDED where it cannot be without absent files.

    """
    files = FilesBeneath(place.folder)
    options = from_message(FreezeOptions, wanted)
    with using(files):
        frozen = _freeze(source, options, place)
        needed = frozen.assets if options.as_saved_model else {}
        assets = tuple(_asset(name, path, place) for name, path in sorted(needed.items()))
        read_later = [*frozen.plan.files.values(), *(asset.path for asset in assets)]
        found = _found(read_later, files)
    result = Result(_name_of(options), frozen.plan, assets, frozen.report, found)
    _check_size(result, max_result_bytes)
    return result


def plan_inspection(
    source: model_pb2.ModelSource, wanted: options_pb2.FreezeOptions, place: Place
) -> Inspection:
    """Inspect a model.

    Raises:
        FreezeError: Where it cannot be read.

    """
    from tffreeze_server.inspection.inspect import inspect  # noqa: PLC0415 - see above

    with using(FilesBeneath(place.folder)):
        return inspect(source_from_message(source, place.folder), from_message(FreezeOptions, wanted))


def _freeze(source: model_pb2.ModelSource, options: FreezeOptions, place: Place) -> FreezeResult:
    from tffreeze_server.freeze import freeze  # noqa: PLC0415 - see above

    where = source_from_message(source, place.folder)
    try:
        return freeze(where, options)
    except FreezeError as error:
        raise _as_weights_needed(error, place) from error


def _found(paths: Iterable[Path], files: FilesBeneath) -> Mapping[Path, Identity]:
    """Say which files the plan was made of; one that is not there is needed by no value, or stays with the client."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            file_size_bytes(path, path.name)
    return {path: files.found[path] for path in paths if path in files.found}


def _as_weights_needed(error: FreezeError, place: Place) -> FreezeError:
    """A data file that is not there, and was said to stay with the client, is for the client to send."""
    if error.reason is not Reason.SHARD_NOT_FOUND or not place.has_absent:
        return error
    return FreezeError(
        Reason.WEIGHTS_NEEDED,
        f"This result cannot be made without data files that stay with the client. {error.message}",
        subject=error.subject,
    )


def _weights_needed(what: str, subject: str) -> FreezeError:
    return FreezeError(
        Reason.WEIGHTS_NEEDED,
        f"This result cannot be made without {what}: only data files of a checkpoint may stay with the client. "
        "Send it.",
        subject=subject,
    )


def _name_of(options: FreezeOptions) -> str:
    stem = "saved_model" if options.as_saved_model else "frozen"
    return f"{stem}.pbtxt" if options.as_text else f"{stem}.pb"


def _asset(name: str, path: Path, place: Place) -> Asset:
    try:
        return Asset(f"assets/{name}", path, file_size_bytes(path, name))
    except FileNotFoundError:
        if place.is_absent(path):
            raise _weights_needed(f"the asset {name!r}, which was declared absent", name) from None
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The model needs the asset {name!r}, and its folder of assets does not hold it. "
            "Send or copy the whole SavedModel, `assets` included.",
            subject=name,
        ) from None


def _check_size(result: Result, max_result_bytes: int) -> None:
    if result.plan.size_bytes > max_result_bytes:
        raise FreezeError(
            Reason.GRAPH_TOO_LARGE,
            f"The result would be {result.plan.size_bytes:,} bytes, and this server makes {max_result_bytes:,} at "
            "most. Leave large variables as variables (deny), or freeze parts of the model.",
        )
