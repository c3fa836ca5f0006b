"""The calls of `tffreeze.v1.FreezeService`.

Theory of operation. A call goes through the same steps, each of which may end it:

    count (per caller) ─▶ spec ─▶ check what is declared, and for room ─▶ place in line
      ─▶ wait for an upload slot, receive files to the half-close, give it back
      ─▶ wait for a job slot ─▶ plan, in a process ─▶ send, message by message ─▶ give back

All that a call holds hangs on its `Job`, which gives it back when the last thread has ended; `run_call` turns
whatever is raised on the way into a status. In memory are some chunks in, or one out, and the plan.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tffreeze._version import __version__
from tffreeze.allocator import keep_freed_megabytes
from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze_server.rpc import deliver
from tffreeze_server.rpc.admission import Admission
from tffreeze_server.rpc.call import Call, Context
from tffreeze_server.rpc.client_message import client_message
from tffreeze_server.rpc.job import Job
from tffreeze_server.rpc.limits import MAX_CONTENT_CHUNK_BYTES, CallSettings, limits_to_message
from tffreeze_server.rpc.model_roots import model_root, roots_of
from tffreeze_server.rpc.observer import Clock, Observer, Stage
from tffreeze_server.rpc.place import Place, to_come_bytes
from tffreeze_server.rpc.plan_request import plan_freeze, plan_inspection
from tffreeze_server.rpc.planner_pool import Planners
from tffreeze_server.rpc.planner_process import Cause, PlannerLimits
from tffreeze_server.rpc.receive import Request, first_message, receive_files
from tffreeze_server.rpc.result import Result
from tffreeze_server.rpc.run_call import Cutoff, run_call
from tffreeze_server.rpc.slots import Slots
from tffreeze_server.rpc.spec import SPLICE, check_freeze_spec, check_source_message
from tffreeze_server.rpc.spool import Spool, UploadFolder
from tffreeze_server.rpc.upload import declared_files

SERVICE_NAME = "tffreeze.v1.FreezeService"

_SPARE_THREADS = 2
"""For what is removed when calls have ended, so that those that work need not wait for it."""

_Freeze, _Inspect = freeze_service_pb2.FreezeRequest, freeze_service_pb2.InspectRequest
_Progress = freeze_service_pb2.Progress


class FreezeService:
    """Serves calls: put it into a server with `add_to_server`, not with the generated function.

    Requests and responses pass as bytes: a chunk of a result is then never copied into a message and out
    again, which doubles the throughput.

    Args:
        settings: What is allowed.
        observer: Told of everything.
        clock: For durations.

    """

    def __init__(self, settings: CallSettings, observer: Observer, clock: Clock = time.monotonic) -> None:
        self._settings = settings
        self._observer = observer
        self._clock = clock
        self._admission = Admission(settings, observer.jobs_changed)
        self._spool = Spool(
            settings.spool_dir,
            settings.max_spool_bytes,
            settings.max_spool_bytes_per_caller,
            observer.spool_changed,
        )
        self._disk = ThreadPoolExecutor(settings.max_jobs + settings.max_uploads + _SPARE_THREADS, "disk")
        self._planners = Planners(settings.planning_processes, planner_limits(settings), self._planner_lost)
        self._cutoff = Cutoff()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._active = 0
        self._nothing_active = asyncio.Event()
        self._nothing_active.set()
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take the spool and sweep what dead processes left in it; start planners. Before the server starts.

        Raises:
            SpoolUnusableError: With a message for the operator.

        """
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._disk, self._spool.open)
        keep_freed_megabytes()
        self._planners.start()

    def _planner_lost(self, cause: Cause) -> None:
        """Tell of it, from a thread."""
        assert self._loop is not None, "planners work only after the start"
        self._loop.call_soon_threadsafe(self._observer.planner_lost, cause.value)

    async def drain(self) -> None:
        """Refuse new and waiting calls with DRAINING, and return when the running ones have ended."""
        self._admission.drain()
        await self._nothing_active.wait()

    def cut_off(self) -> None:
        """End the calls that still run with DRAINING."""
        self._cutoff.cut()

    async def close(self) -> None:
        """End the planners and give the spool back. After the server has stopped."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, self._planners.close)
        await loop.run_in_executor(self._disk, self._spool.close)
        self._disk.shutdown(wait=False)

    async def freeze(self, _: object, context: Context) -> bytes:
        """Serve `Freeze`: bytes of FreezeRequests in, of FreezeResponses out."""
        return await run_call(self._call("Freeze", context), self._freeze, self._cutoff)

    async def inspect(self, _: object, context: Context) -> bytes:
        """Serve `Inspect`: bytes of InspectRequests in, of an InspectResponse out."""
        return await run_call(self._call("Inspect", context), self._inspect, self._cutoff)

    async def get_capabilities(self, request: bytes, context: Context) -> bytes:
        """Serve `GetCapabilities`: bytes of its request in, of its response out."""

        async def body(call: Call) -> bytes:
            self._admission.check_open()
            client_message(freeze_service_pb2.GetCapabilitiesRequest, request)
            return self._capabilities(call).SerializeToString()

        return await run_call(self._call("GetCapabilities", context), body, self._cutoff)

    def _call(self, method: str, context: Context) -> Call:
        return Call(method, context, self._settings, self._observer, self._clock)

    def _capabilities(self, call: Call) -> freeze_service_pb2.GetCapabilitiesResponse:
        return freeze_service_pb2.GetCapabilitiesResponse(
            server_version=__version__,
            limits=limits_to_message(self._settings),
            deliveries=[freeze_service_pb2.DELIVERY_CONTENT, freeze_service_pb2.DELIVERY_SPLICE],
            model_roots=roots_of(self._settings, call.caller),
        )

    async def _freeze(self, call: Call) -> bytes:
        async with self._job(call) as job:
            spec = (await first_message(call, _Freeze)).spec
            check_freeze_spec(spec)
            splice = spec.delivery == SPLICE
            call.observer.described({"delivery": "SPLICE" if splice else "CONTENT"})
            place = await self._take_in(call, job, _Freeze, spec.source, absent_allowed=splice)
            await call.progress(_Progress.STAGE_PLANNING, place.upload_bytes)
            with call.stage(Stage.PLANNING):
                async with self._planner(call):
                    result = await job.plan(
                        plan_freeze, spec.source, spec.options, place, self._settings.max_result_bytes
                    )
            call.observer.described({"result_bytes": result.size_bytes})
            with call.stage(Stage.SENDING):
                await self._send(call, job, spec, place, result)
        return b""

    async def _inspect(self, call: Call) -> bytes:
        async with self._job(call) as job:
            spec = (await first_message(call, _Inspect)).spec
            check_source_message(spec.source)
            place = await self._take_in(call, job, _Inspect, spec.source, absent_allowed=True)
            with call.stage(Stage.PLANNING):
                async with self._planner(call):
                    inspection = await job.plan(plan_inspection, spec.source, spec.options, place)
                return await job.begin_io(deliver.inspect_response, inspection)

    @contextlib.asynccontextmanager
    async def _job(self, call: Call) -> AsyncIterator[Job]:
        """Begin a job, and see that all it holds is given back: now, or when its threads have ended."""
        self._admission.enter(call.caller.name)
        call.until_ended.callback(self._admission.leave, call.caller.name)
        with self._counted_active():
            job = Job(self._disk, self._planners)
            try:
                yield job
            finally:
                closing = asyncio.ensure_future(self._close(job))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                if not job.is_busy:
                    await asyncio.shield(closing)

    async def _close(self, job: Job) -> None:
        with self._counted_active():
            await job.close()

    async def _take_in(
        self,
        call: Call,
        job: Job,
        request_type: type[Request],
        source: model_pb2.ModelSource,
        *,
        absent_allowed: bool,
    ) -> Place:
        """Check where the model is, receive what is to be received, wait for a job slot."""
        place, folder = self._place(call, job, source, absent_allowed=absent_allowed)
        async with self._upload_slot(call) if place.has_files_to_come else contextlib.nullcontext():
            with call.stage(Stage.RECEIVING):
                await receive_files(call, job, request_type, place, folder)
        await self._wait_for(call, self._admission.jobs)
        job.counts.callback(self._admission.jobs.release, call.caller.name)
        return place

    def _place(
        self, call: Call, job: Job, source: model_pb2.ModelSource, *, absent_allowed: bool
    ) -> tuple[Place, UploadFolder | None]:
        call.observer.described({"model": source.model})
        if source.WhichOneof("place") == "model_root":
            call.observer.described({"model_root": source.model_root})
            place = Place(model_root(source.model_root, self._settings, call.caller))
            self._take_place(call, job)
            return place, None
        declared = declared_files(source.upload, self._settings, absent_allowed=absent_allowed)
        upload_bytes = to_come_bytes(declared)
        call.observer.described({"upload_files": len(declared), "upload_bytes": upload_bytes})
        self._take_place(call, job)
        folder = self._spool.begin(call.caller.name, upload_bytes)
        job.counts.callback(folder.release)
        job.files.callback(folder.remove)
        return Place(folder.path, declared), folder

    def _take_place(self, call: Call, job: Job) -> None:
        self._admission.take_place(call.caller.name)
        job.counts.callback(self._admission.leave_place, call.caller.name)

    async def _wait_for(self, call: Call, slots: Slots) -> None:
        if slots.take_now(call.caller.name):
            return
        await call.progress(_Progress.STAGE_QUEUED)
        with call.stage(Stage.QUEUED):
            await slots.take(call.caller.name)

    @contextlib.asynccontextmanager
    async def _upload_slot(self, call: Call) -> AsyncIterator[None]:
        await self._wait_for(call, self._admission.uploads)
        try:
            yield
        finally:
            self._admission.uploads.release(call.caller.name)

    @contextlib.asynccontextmanager
    async def _planner(self, call: Call) -> AsyncIterator[None]:
        await self._admission.planners.take(call.caller.name)
        try:
            yield
        finally:
            self._admission.planners.release(call.caller.name)

    async def _send(
        self, call: Call, job: Job, spec: freeze_service_pb2.FreezeSpec, place: Place, result: Result
    ) -> None:
        files = job.files.enter_context(result.open_sources(place.folder))
        digest = deliver.new_sha256() if spec.want_sha256 else None
        delivery: deliver.Delivery
        if spec.delivery == SPLICE:
            kind = freeze_service_pb2.DELIVERY_SPLICE
            delivery = await job.begin_io(deliver.Splice, result, files, place.declared, place.folder)
        else:
            kind = freeze_service_pb2.DELIVERY_CONTENT
            delivery = deliver.Content(result, files, MAX_CONTENT_CHUNK_BYTES, digest)
        await call.write(await job.begin_io(deliver.started_message, result, kind))
        await self._send_all(call, job, delivery)
        await call.write(deliver.finished_message(digest))

    async def _send_all(self, call: Call, job: Job, delivery: deliver.Delivery) -> None:
        """Send messages, each made when the one before is with gRPC and gone from here, while it is on its way.

        So the same megabyte of memory is used again and again: to make one ahead put it out of the core's cache,
        and took a fifth longer. Where a disk may keep it waiting, a message is made in a thread.
        """
        messages = delivery.messages()
        message = await job.begin_io(next, messages, None)
        while message is not None:
            await call.write(message)
            call.observer.sent(len(message))
            del message
            is_cached = delivery.is_next_cached()
            message = next(messages, None) if is_cached else await job.begin_io(next, messages, None)

    @contextlib.contextmanager
    def _counted_active(self) -> Iterator[None]:
        self._active += 1
        self._nothing_active.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._nothing_active.set()


def planner_limits(settings: CallSettings) -> PlannerLimits:
    """What one plan may take."""
    return PlannerLimits(
        settings.max_planner_memory_bytes, settings.max_planning_cpu_seconds, settings.max_planning_seconds
    )


def add_to_server(service: FreezeService, server: grpc.aio.Server) -> None:
    """Have a server serve these calls."""
    handlers: dict[str, Any] = {
        "Freeze": grpc.stream_stream_rpc_method_handler(service.freeze),
        "Inspect": grpc.stream_unary_rpc_method_handler(service.inspect),
        "GetCapabilities": grpc.unary_unary_rpc_method_handler(service.get_capabilities),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
