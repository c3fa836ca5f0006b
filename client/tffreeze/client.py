"""A client of a tffreeze server.

    with tffreeze.Client("localhost:50051") as client:
        client.freeze("saved_model/", output="frozen.pb")

Of a local model only the graph and the checkpoint's index are sent, and the result is put together from the
local weights (delivery SPLICE); where that cannot be, all is sent and comes back (CONTENT).
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
from tffreeze.retry import Patience, Stop
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
        *addresses: Of one server or more that are alike: calls go round them. Such as `localhost:50051`.
        tls: How to speak TLS; None: plaintext.
        token: A bearer token.
        insecure: Send the token in plaintext to other machines too.
        timeout_seconds: For a call and its retries; None: no limit.
        max_attempts: How often to try what may succeed later.

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
        """Close all channels; calls that are on their way are cancelled."""
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
            output: Where to write. A path appears whole or not at all.
            stop: Lets another thread end the call.
            **arguments: See `RemoteArguments` and `FreezeArguments`.

        Raises:
            TffreezeError: Nothing was written to a path then.

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
        """Freeze a model as `freeze` does, and tell on the way how far it is.

        The work goes on as the iterator is asked: whoever is away for too long is too slow for the server.
        Leaving it before its end (`break`, `close`) ends the call and leaves no file.

        Yields:
            What happens; the last one is `Finished`, with the result.

        Raises:
            TffreezeError: Nothing was written to a path then.

        """
        return self._events(model, output, stop, arguments)

    def freeze_bytes(
        self, model: StrPath, *, stop: Stop | None = None, **arguments: Unpack[RemoteArguments]
    ) -> FrozenBytes:
        """Freeze a model in memory. For small models: `freeze` never holds the weights.

        Raises:
            TffreezeError: INVALID_OPTION for `as_saved_model`: that is a directory.

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
        """Tell what a model is, what would be frozen and what would stand in the way.

        Raises:
            TffreezeError: For a model that cannot be read.

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
                raise broken("did not say what the model is")
            return from_message(Inspection, response.inspection)

        return self._patience(timeout_seconds).run(attempt, watch)

    def capabilities(self, *, timeout_seconds: float | None = None, stop: Stop | None = None) -> Capabilities:
        """Tell what the server can do and what it allows.

        Raises:
            TffreezeError: Where it cannot be asked.

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
        return Patience(chosen, self._max_attempts)


def _last(events: Generator[FreezeEvent, None, None]) -> FreezeResult:
    last = deque(events, maxlen=1).pop()
    assert isinstance(last, Finished), "it ends so, or with an exception"
    return last.result
