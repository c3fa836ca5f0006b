"""A client of a tffreeze server.

    with tffreeze.Client("localhost:50051") as client:
        client.freeze("saved_model/", output="frozen.pb")

For a local model the client sends only the graph and the checkpoint's index, and assembles the result from the
local weights (delivery SPLICE). If that is impossible, it uploads everything and downloads the result (CONTENT).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Self

from tffreeze.capabilities import Capabilities
from tffreeze.connection import Connection, Tls
from tffreeze.errors import TffreezeError
from tffreeze.events import Finished, FreezeEvent
from tffreeze.memory import MemoryOutput
from tffreeze.options import FreezeArguments, StrPath, options_message
from tffreeze.output import Target
from tffreeze.parse import broken, read_message
from tffreeze.remote import RemoteArguments, RemoteFreeze, model_source
from tffreeze.result import FreezeResult, FrozenBytes
from tffreeze.retry import Patience, Stop, check_timeout
from tffreeze.send import Sender
from tffreeze.unary import call_unary
from tffreeze.v1 import freeze_service_pb2
from tffreeze_common.dataclass_fields import from_message
from tffreeze_common.inspection import Inspection

if TYPE_CHECKING:
    from typing import Unpack

INSPECT = "/tffreeze.v1.FreezeService/Inspect"
GET_CAPABILITIES = "/tffreeze.v1.FreezeService/GetCapabilities"


class Client:
    """Calls tffreeze servers. Safe to use from several threads; a context manager that closes its channels.

    Args:
        *addresses: One server, or several equal ones, such as `localhost:50051`. Calls rotate.
        tls: TLS files; None: plaintext.
        token: A bearer token.
        insecure: Allow sending the token in plaintext to other machines.
        timeout_seconds: Time limit for a call and its retries; None: no limit.
        max_attempts: Number of attempts for a call that may succeed later.

    Raises:
        RequestError: INVALID_OPTION.

    """

    def __init__(
        self,
        *addresses: str,
        tls: Tls | None = None,
        token: str | None = None,
        insecure: bool = False,
        timeout_seconds: float | None = None,
        max_attempts: int = 5,
    ) -> None:
        self._connection = Connection(addresses, tls, token, insecure=insecure)
        self._timeout_seconds = timeout_seconds
        self._max_attempts = max_attempts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all channels and cancel running calls."""
        self._connection.close()

    def freeze(
        self,
        model: StrPath,
        *,
        output: Target,
        stop: Stop | None = None,
        **arguments: Unpack[RemoteArguments],
    ) -> FreezeResult:
        """Freeze a model into a file, a SavedModel directory or a binary stream.

        Args:
            model: A local model, or with `model_root` a path below that root.
            output: A path, which appears complete or not at all, or a binary stream.
            stop: Lets another thread cancel the call.
            **arguments: See `RemoteArguments` and `FreezeArguments`.

        Raises:
            TffreezeError: Nothing was written to a path.

        """
        return _last(self._events(model, output, stop, arguments))

    def freeze_events(
        self,
        model: StrPath,
        *,
        output: Target,
        stop: Stop | None = None,
        **arguments: Unpack[RemoteArguments],
    ) -> Generator[FreezeEvent, None, None]:
        """Freeze a model like `freeze`, and report progress as events.

        The call advances only while you iterate: pause too long between events and the call fails with
        CLIENT_TOO_SLOW. Leaving the iterator early (`break`, `close`) cancels the call and leaves no file.

        Yields:
            Events; the last one is `Finished`, with the result.

        Raises:
            TffreezeError: Nothing was written to a path.

        """
        return self._events(model, output, stop, arguments)

    def freeze_bytes(
        self, model: StrPath, *, stop: Stop | None = None, **arguments: Unpack[RemoteArguments]
    ) -> FrozenBytes:
        """Freeze a model in memory. For small models: `freeze` never holds the weights.

        Raises:
            TffreezeError: INVALID_OPTION for `as_saved_model`, which needs a directory; else as for `freeze`.

        """
        memory = MemoryOutput()
        events = self._events(model, memory, stop, arguments)
        result = _last(events)
        return FrozenBytes(result.report, memory.data, result.sha256)

    def inspect(
        self,
        model: StrPath,
        *,
        model_root: str | None = None,
        timeout_seconds: float | None = None,
        stop: Stop | None = None,
        **options: Unpack[FreezeArguments],
    ) -> Inspection:
        """Find out what a model contains, what a freeze would do and what would make it fail.

        Raises:
            TffreezeError: The model cannot be read, or the call failed.

        """
        source, files = model_source(model, options, model_root, with_weights=False)
        spec = freeze_service_pb2.InspectSpec(source=source, options=options_message(options))
        watch = stop or Stop()

        def attempt(left_seconds: float | None) -> Inspection:
            sender = Sender(files, with_weights=False)
            requests = sender.messages(freeze_service_pb2.InspectRequest(spec=spec))
            try:
                _, answer = call_unary(self._connection, INSPECT, requests, left_seconds, watch, sender)
            except TffreezeError as error:
                raise sender.error or error from None
            finally:
                sender.stop()
            if sender.error is not None:
                raise sender.error
            response = read_message(freeze_service_pb2.InspectResponse, answer)
            if not response.inspection.kind:
                raise broken("sent an inspection without the model's kind")
            return from_message(Inspection, response.inspection)

        return self._patience(timeout_seconds).run(attempt, watch)

    def capabilities(self, *, timeout_seconds: float | None = None, stop: Stop | None = None) -> Capabilities:
        """Ask the server for its capabilities and limits.

        Raises:
            TffreezeError: The call failed.

        """
        watch = stop or Stop()

        def attempt(left_seconds: float | None) -> Capabilities:
            _, answer = call_unary(self._connection, GET_CAPABILITIES, iter([b""]), left_seconds, watch)
            response = read_message(freeze_service_pb2.GetCapabilitiesResponse, answer)
            return Capabilities.from_message(response)

        return self._patience(timeout_seconds).run(attempt, watch)

    def _events(
        self,
        model: StrPath,
        target: Target | MemoryOutput,
        stop: Stop | None,
        arguments: RemoteArguments,
    ) -> Generator[FreezeEvent, None, None]:
        patience = self._patience(arguments.get("timeout_seconds"))
        return RemoteFreeze(self._connection, patience, model, target, arguments, stop or Stop()).events()

    def _patience(self, timeout_seconds: float | None) -> Patience:
        chosen = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        check_timeout(chosen)
        return Patience(chosen, self._max_attempts)


def _last(events: Generator[FreezeEvent, None, None]) -> FreezeResult:
    last = deque(events, maxlen=1).pop()
    assert isinstance(last, Finished), "it ends so, or with an exception"
    return last.result
