"""One freeze on a server: request, attempts, result."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

import grpc

from tffreeze.asked import Asked
from tffreeze.call_back import CallersError, call_back
from tffreeze.chunk_messages import read_response
from tffreeze.connection import Connection
from tffreeze.errors import TffreezeError, error_for
from tffreeze.events import Finished, FreezeEvent, Started, Writing
from tffreeze.local_file import LocalFile
from tffreeze.local_model import find_model, input_files
from tffreeze.memory import MemoryOutput
from tffreeze.options import FreezeArguments, StrPath, check_form, check_utf8, options_message
from tffreeze.output import Output, Target, check_output, open_output
from tffreeze.parse import broken
from tffreeze.receive import Receiver
from tffreeze.result import FreezeResult
from tffreeze.retry import Attempts, Patience, Stop
from tffreeze.rpc_errors import error_of_call
from tffreeze.send import OnProgress, Sender
from tffreeze.v1 import freeze_service_pb2, model_pb2

Delivery = Literal["content", "splice"]


class CallArguments(TypedDict, total=False):
    """The arguments of a call to a server, besides the options of a freeze.

    Attributes:
        model_root: Name of a model root of the server; all paths are relative to it.
        timeout_seconds: Time limit for all attempts together. None: the client's.
        on_upload: Called with the bytes sent so far and the total.

    """

    model_root: str | None
    timeout_seconds: float | None
    on_upload: OnProgress | None


class RemoteArguments(FreezeArguments, CallArguments, total=False):
    """The keyword arguments of a freeze on a server.

    Attributes:
        delivery: `splice` or `content`; None: the client chooses.
        on_progress: Called with the bytes written so far and the total.
        fsync: Whether to flush the file to disk before it appears.
        sha256: Whether to compute the sha256 of the result.

    """

    delivery: Delivery | None
    fsync: bool
    sha256: bool
    on_progress: OnProgress | None


CALL_ARGUMENTS = ("model_root", "timeout_seconds", "on_upload", "delivery", "on_progress", "fsync", "sha256")
"""Arguments that are not options of the freeze itself."""

Events = Generator[FreezeEvent, None, None]
"""Closing the generator cancels the call."""

METHOD = "/tffreeze.v1.FreezeService/Freeze"

_DELIVERIES = {
    "content": freeze_service_pb2.DELIVERY_CONTENT,
    "splice": freeze_service_pb2.DELIVERY_SPLICE,
}


@dataclass
class RemoteFreeze:
    """One freeze and its attempts: by SPLICE, and if that is impossible, by CONTENT.

    Attributes:
        connection: The servers.
        patience: Limits for the attempts.
        model: Its path, local or below a model root.
        target: Where the result goes.
        arguments: All arguments.
        stop: Lets another thread cancel it.

    """

    connection: Connection
    patience: Patience
    model: StrPath
    target: Target | MemoryOutput
    arguments: RemoteArguments
    stop: Stop

    def __post_init__(self) -> None:
        rest = cast(dict[str, Any], dict(self.arguments))
        for name in CALL_ARGUMENTS:
            rest.pop(name, None)
        self._options = cast(FreezeArguments, rest)
        self._sha256 = bool(self.arguments.get("sha256"))
        self._path = Path(self.target) if isinstance(self.target, (str, os.PathLike)) else None
        self._is_stream = self._path is None and not isinstance(self.target, MemoryOutput)
        self._is_spent = False
        """Whether the stream contains part of a result, which rules out another attempt."""

    def events(self) -> Events:
        """Write the result while the caller iterates. If the iterator is closed early, nothing is written to a path.

        Raises:
            TffreezeError: Nothing was written to a path.

        """
        check_form(self._options, is_path=self._path is not None)
        delivery = self.arguments.get("delivery")
        if delivery not in (None, *_DELIVERIES):
            raise error_for(
                "INVALID_OPTION", f"There is no delivery {delivery!r}. Choose `content` or `splice`."
            )
        attempts = Attempts(self.patience, self.stop)
        if delivery:
            yield from self._deliver(delivery, attempts)
        elif self.arguments.get("model_root") is not None or self._options.get("as_text"):
            yield from self._deliver("content", attempts)
        else:
            yield from self._deliver_by_either(attempts)

    def _deliver_by_either(self, attempts: Attempts) -> Events:
        try:
            yield from self._deliver("splice", attempts)
        except TffreezeError as error:
            if error.reason != "WEIGHTS_NEEDED" or self._is_spent:
                raise
        else:
            return
        yield from self._deliver("content", attempts)

    def _deliver(self, delivery: Delivery, attempts: Attempts) -> Events:
        with_weights = delivery == "content"
        model_root = self.arguments.get("model_root")
        source, files = model_source(self.model, self._options, model_root, with_weights=with_weights)
        self._check_output(with_inputs=model_root is None)
        spec = freeze_service_pb2.FreezeSpec(
            source=source,
            options=options_message(self._options),
            delivery=_DELIVERIES[delivery],
            want_sha256=self._sha256 and with_weights,
        )
        asked = Asked(spec, files)
        while True:
            left_seconds = attempts.begin()
            sender = Sender(files, with_weights=with_weights, on_upload=self.arguments.get("on_upload"))
            foreign: Exception | None = None
            try:
                yield from self._attempt(asked, sender, left_seconds)
            except TffreezeError as error:
                error.retryable = error.retryable and not self._is_spent
                attempts.wait_after(error)
            except CallersError as raised:
                foreign = raised.error
            else:
                return
            if foreign is not None:
                raise foreign  # outside of the handler, so that it has no other exception as its context

    def _check_output(self, *, with_inputs: bool) -> None:
        """Refuse an output that is one of the input files, whether it is sent or not."""
        if self._path is not None:
            inputs = input_files(self.model, self._options) if with_inputs else []
            check_output(self._path, inputs, as_saved_model=bool(self._options.get("as_saved_model")))

    def _attempt(self, asked: Asked, sender: Sender, left_seconds: float | None) -> Events:
        address, channel = self.connection.next_channel()
        freeze = channel.stream_stream(METHOD, None, None)
        requests = sender.messages(freeze_service_pb2.FreezeRequest(spec=asked.spec))
        with (
            self._open_output(asked) as output,
            Receiver(output, asked, sender.total_bytes, sha256=self._sha256) as receiver,
        ):
            call = self.connection.begin(
                lambda: freeze(requests, timeout=left_seconds, metadata=self.connection.metadata)
            )
            self.stop.watch(call.cancel)
            sender.watch(call.cancel)
            try:
                for message in call:
                    for event in receiver.take(read_response(message)):
                        self._note(event)
                        yield event
                    del message  # frees its megabyte, so that the next message stays in the CPU's cache
            except grpc.RpcError as error:
                raise sender.error or error_of_call(error, address) from error
            finally:
                call.cancel()  # type: ignore[no-untyped-call]  # of a third-party stub
                sender.stop()
            if sender.error is not None:
                raise sender.error
            if receiver.report is None or not receiver.finished:
                raise broken("ended the call before the result was complete")
        yield Finished(FreezeResult(receiver.report, self._path, receiver.sha256))

    def _open_output(self, asked: Asked) -> contextlib.AbstractContextManager[Output]:
        if isinstance(self.target, MemoryOutput):
            return contextlib.nullcontext(self.target)
        as_saved_model = asked.spec.options.as_saved_model
        return open_output(
            self.target, as_saved_model=as_saved_model, fsync=bool(self.arguments.get("fsync"))
        )

    def _note(self, event: FreezeEvent) -> None:
        self._is_spent = self._is_spent or (self._is_stream and isinstance(event, Started))
        if isinstance(event, Writing):
            call_back(self.arguments.get("on_progress"), event.done_bytes, event.total_bytes)


def model_source(
    model: StrPath, options: FreezeArguments, model_root: str | None, *, with_weights: bool
) -> tuple[model_pb2.ModelSource, Sequence[LocalFile]]:
    """Describe where a model is: its local files, or a path below a model root.

    Raises:
        TffreezeError: As `find_model`.

    """
    if model_root is None:
        local = find_model(model, options)
        return local.source(with_weights=with_weights), local.files
    given = {part: options.get(part) for part in ("checkpoint", "saver", "op_list")}
    check_utf8(model_root, *(os.fspath(cast(StrPath, path)) for path in (model, *given.values()) if path))
    source = model_pb2.ModelSource(model_root=model_root, model=os.fspath(model))
    for part, path in given.items():
        if path:
            setattr(source, part, os.fspath(cast(StrPath, path)))
    return source, ()
