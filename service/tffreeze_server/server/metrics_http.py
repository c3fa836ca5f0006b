"""The metrics by HTTP, on a thread of their own: they answer even while the event loop is busy."""

from __future__ import annotations

import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SLOW_CLIENT_SECONDS = 10


class MetricsServer:
    """Serves the text of a registry at `/metrics`.

    Args:
        host: The address to listen on.
        port: The port; 0: any that is free.
        registry: What to tell.

    Raises:
        OSError: It cannot listen there.

    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry})
        server_type = _ServerV6 if ":" in host else _Server
        self._server = server_type((host.strip("[]"), port), handler)
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stop answering; only after `start`."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking the DNS for our name, as http.server does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.server_address[1]


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    timeout = SLOW_CLIENT_SECONDS

    def do_GET(self) -> None:
        """Answer `/metrics`."""
        from prometheus_client import generate_latest  # noqa: PLC0415 - see metrics.py

        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND, "The metrics are at /metrics.")
            return
        body = generate_latest(self.registry)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: being asked for metrics is not worth a line."""
