"""What a server allows its callers. One dataclass: configuration fills it, `GetCapabilities` tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.plan.plan import MAX_PROTO_BYTES
from tffreeze_server.rpc.settings import DAY_SECONDS, Parser, number, setting, size, whole

T = TypeVar("T")

MAX_FILE_NAME_BYTES = 1024
MAX_CHUNK_BYTES = 2 << 20
"""Of `FileChunk.data`: as much as the contract allows."""
MAX_CONTENT_CHUNK_BYTES = 1 << 20
"""Of what is sent in one piece: as much as the contract allows."""


def _limit(default: T, metavar: str, parse: Parser, text: str) -> T:
    return setting(default, metavar, parse, text, "Calls")


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How calls are served. All limits hold for one server process; 0 means none where that is said."""

    spool_dir: Path
    """Folder for uploads; made if it is not there. Server processes may share it, nothing else may."""
    model_roots: Mapping[str, Path] = field(default_factory=dict)
    """Folder of each model root by its name."""
    max_upload_bytes: int = _limit(
        8 << 30, "BYTES", size(0, 1 << 50), "Bytes of one upload; 0: no limit but the spool's."
    )
    max_upload_files: int = _limit(1000, "N", whole(1, 1_000_000), "Files of one upload.")
    max_result_bytes: int = _limit(MAX_PROTO_BYTES, "BYTES", size(1, MAX_PROTO_BYTES), "Bytes of one result.")
    max_jobs: int = _limit(
        8, "N", whole(1, 100_000), "Calls that run at a time. One caller has at most all but one of them."
    )
    max_queued_jobs: int = _limit(
        64,
        "N",
        whole(0, 100_000),
        "Further calls, which upload or wait; more are refused. One caller never has all places.",
    )
    max_jobs_per_caller: int = _limit(
        64, "N", whole(0, 100_000), "Calls of one caller at a time, waiting ones included; 0: no limit."
    )
    max_uploads: int = _limit(
        16, "N", whole(1, 100_000), "Uploads received at a time. One caller has at most all but one of them."
    )
    planning_processes: int = _limit(2, "N", whole(1, 64), "Processes that make plans.")
    max_planner_memory_bytes: int = _limit(
        2 << 30,
        "BYTES",
        size(0, 1 << 40),
        "Address space of each of them, its program (about 150 MiB) included; 0: no limit.",
    )
    max_planning_cpu_seconds: int = _limit(
        300, "SECONDS", whole(0, DAY_SECONDS), "CPU time of one plan; 0: no limit."
    )
    max_planning_seconds: float = _limit(
        600.0, "SECONDS", number(0, DAY_SECONDS), "How long one plan may take; 0: no limit."
    )
    max_spool_bytes: int = _limit(
        32 << 30, "BYTES", size(0, 1 << 50), "Bytes of all uploads at a time; 0: no limit but the disk's."
    )
    max_spool_bytes_per_caller: int = _limit(
        16 << 30,
        "BYTES",
        size(0, 1 << 50),
        "Bytes of all uploads of one caller at a time; 0: no limit of its own.",
    )
    max_call_seconds: float = _limit(
        3600.0, "SECONDS", number(0, 7 * DAY_SECONDS), "How long one call may take in all; 0: no limit."
    )
    max_idle_seconds: float = _limit(
        60.0,
        "SECONDS",
        number(1, DAY_SECONDS),
        "How long a client may neither send nor read while it is its turn.",
    )
    min_bytes_per_second: int = _limit(
        16 << 10,
        "BYTES",
        size(0, 1 << 30),
        "How fast a client must send and read; it may lag behind by --max-idle-seconds. 0: no limit.",
    )


def largest_upload_bytes(settings: CallSettings) -> int:
    """Give the size that no upload may pass, however empty the spool is; 0: no limit."""
    limits = (settings.max_upload_bytes, settings.max_spool_bytes, settings.max_spool_bytes_per_caller)
    return min((limit for limit in limits if limit), default=0)


def limits_to_message(settings: CallSettings) -> freeze_service_pb2.Limits:
    """Tell the limits as the contract has them; fractions of seconds are rounded up."""
    return freeze_service_pb2.Limits(
        max_upload_bytes=largest_upload_bytes(settings),
        max_upload_files=settings.max_upload_files,
        max_file_name_bytes=MAX_FILE_NAME_BYTES,
        max_chunk_bytes=MAX_CHUNK_BYTES,
        max_content_chunk_bytes=MAX_CONTENT_CHUNK_BYTES,
        max_result_bytes=settings.max_result_bytes,
        max_jobs_per_caller=settings.max_jobs_per_caller,
        max_call_seconds=math.ceil(settings.max_call_seconds),
        max_idle_seconds=math.ceil(settings.max_idle_seconds),
        min_bytes_per_second=settings.min_bytes_per_second,
    )
