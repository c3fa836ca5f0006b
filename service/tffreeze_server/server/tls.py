"""TLS credentials of the server, reloaded when their files change.

gRPC asks for the certificates at every handshake, on a thread of its own, and keeps the last ones if it gets None.
Existing connections keep their certificate.
"""

from __future__ import annotations

import grpc

from tffreeze_server.server.certificates import Certificates
from tffreeze_server.server.reload import Reloaded


def server_credentials(certificates: Reloaded[Certificates]) -> grpc.ServerCredentials:
    """Make credentials that use the newest certificates.

    Args:
        certificates: With a `client_ca`, clients must show a certificate signed by it.

    """
    first = certificates.get()
    taken = certificates.version

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal taken
        newest = certificates.get()
        if certificates.version == taken:
            return None
        taken = certificates.version
        return _configuration(newest)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(first),
        fetch,  # type: ignore[arg-type]  # None is documented: unchanged
        require_client_authentication=first.client_ca is not None,
    )


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.chain)], root_certificates=certificates.client_ca
    )
