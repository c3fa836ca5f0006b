"""What a server allows its callers. One dataclass: configuration fills it, `GetCapabilities` tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.plan.plan import MAX_PROTO_BYTES

MAX_CHUNK_BYTES = 2 << 20
"""What the contract allows for `Limits.max_chunk_bytes`."""

MAX_CONTENT_CHUNK_BYTES = 1 << 20
"""What the contract allows for `Limits.max_content_chunk_bytes`."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How calls are served. All limits hold for one server process; 0 means none where that is said.

    Attributes:
        spool_dir: The folder for uploads; made if it is not there. Processes may share it, nothing else may.
        model_roots: Folder of each model root by its name.
        max_upload_bytes: Of one upload, absent files not counted; 0: no limit but the spool's.
        max_upload_files: Of one upload, absent ones counted.
        max_file_name_bytes: In UTF-8.
        max_chunk_bytes: Of `FileChunk.data`; at most 2 MiB.
        max_content_chunk_bytes: Of what is sent; at most 1 MiB.
        max_result_bytes: Of one result; at most 2 GiB - 1.
        max_jobs: Calls that are worked on at a time; one caller has at most all but one of them.
        max_queued_jobs: Further calls, which upload or wait for their turn.
        max_jobs_per_caller: Calls of one caller at a time, waiting ones counted; 0: no limit.
        max_uploads: Uploads that are received at a time; one caller has at most all but one of them.
        planning_processes: Processes that make plans: as many plans are made at a time.
        max_planner_memory_bytes: Of address space of such a process; 0: no limit.
        max_planning_cpu_seconds: Of CPU time of one plan; 0: no limit.
        max_planning_seconds: From the beginning of one plan to its end; 0: no limit.
        max_spool_bytes: Of all uploads at a time; 0: no limit but the disk's.
        max_spool_bytes_per_caller: Of all uploads of one caller at a time; 0: no limit of its own.
        max_call_seconds: How long a call may take in all; 0: no limit.
        max_idle_seconds: How long a client may neither send nor read while it is its turn; 0: no limit.
        min_bytes_per_second: How fast it must send and read, give or take `max_idle_seconds`; 0: no limit.
        retry_after_seconds: What a refused caller is told to wait.

    """

    spool_dir: Path
    model_roots: Mapping[str, Path] = field(default_factory=dict)
    max_upload_bytes: int = 8 << 30
    max_upload_files: int = 1000
    max_file_name_bytes: int = 1024
    max_chunk_bytes: int = MAX_CHUNK_BYTES
    max_content_chunk_bytes: int = MAX_CONTENT_CHUNK_BYTES
    max_result_bytes: int = MAX_PROTO_BYTES
    max_jobs: int = 8
    max_queued_jobs: int = 64
    max_jobs_per_caller: int = 64
    max_uploads: int = 16
    planning_processes: int = 2
    max_planner_memory_bytes: int = 2 << 30
    max_planning_cpu_seconds: int = 300
    max_planning_seconds: float = 600.0
    max_spool_bytes: int = 32 << 30
    max_spool_bytes_per_caller: int = 16 << 30
    max_call_seconds: float = 3600.0
    max_idle_seconds: float = 60.0
    min_bytes_per_second: int = 16 << 10
    retry_after_seconds: float = 1.0


def largest_upload_bytes(settings: CallSettings) -> int:
    """Give the size that no upload may pass, however empty the spool is; 0: no limit."""
    limits = (settings.max_upload_bytes, settings.max_spool_bytes, settings.max_spool_bytes_per_caller)
    return min((limit for limit in limits if limit), default=0)


def limits_to_message(settings: CallSettings) -> freeze_service_pb2.Limits:
    """Tell the limits as the contract has them; fractions of seconds are rounded up."""
    return freeze_service_pb2.Limits(
        max_upload_bytes=largest_upload_bytes(settings),
        max_upload_files=settings.max_upload_files,
        max_file_name_bytes=settings.max_file_name_bytes,
        max_chunk_bytes=settings.max_chunk_bytes,
        max_content_chunk_bytes=settings.max_content_chunk_bytes,
        max_result_bytes=settings.max_result_bytes,
        max_jobs_per_caller=settings.max_jobs_per_caller,
        max_call_seconds=math.ceil(settings.max_call_seconds),
        max_idle_seconds=math.ceil(settings.max_idle_seconds),
        min_bytes_per_second=settings.min_bytes_per_second,
    )
