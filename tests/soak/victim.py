"""A client that says when it is in the middle of a call, and goes on until it is killed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import grpc

from rpc.models import MOVING_AVERAGE, FreezeRequest, large_request
from tffreeze.v1.freeze_service_pb2_grpc import FreezeServiceStub


def half_an_upload() -> Iterator[FreezeRequest]:
    """All but the last chunk."""
    yield from list(MOVING_AVERAGE.requests())[:-1]
    print("sent", flush=True)
    signal.sigwait([signal.SIGUSR1])


def main(address: str, what: str) -> None:
    """Call."""
    with grpc.insecure_channel(address) as channel:
        freeze = FreezeServiceStub(channel).Freeze
        call = freeze(half_an_upload() if what == "upload" else iter([large_request()]))
        for response in call:
            if response.WhichOneof("message") == "content":
                print("received", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
