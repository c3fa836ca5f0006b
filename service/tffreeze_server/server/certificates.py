"""Read certificates and keys, and check that they belong together before gRPC gets them.

gRPC accepts a pair that does not match, and then fails every handshake.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a TLS server needs, as PEM.

    Attributes:
        key: The private key.
        chain: The server's certificate, and those between it and the root.
        client_ca: What signs the certificates of clients; None: clients need none.

    """

    key: bytes
    chain: bytes
    client_ca: bytes | None

    def __repr__(self) -> str:
        return "Certificates(...)"  # a key does not belong into logs


def load_certificates(cert: Path, key: Path, client_ca: Path | None) -> Certificates:
    """Read certificates and check them.

    Raises:
        ValueError: A file cannot be read, is no PEM, or key and certificate do not match; names the flag.

    """
    chain = _read("--tls-cert", cert)
    secret = _read("--tls-key", key)
    ca = _read("--tls-client-ca", client_ca) if client_ca is not None else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise ValueError(
            f"--tls-cert {cert}, --tls-key {key}: are not a certificate and its key ({reason})."
        ) from None
    if ca is not None:
        try:
            context.load_verify_locations(cadata=ca.decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ValueError(f"--tls-client-ca {client_ca}: has no certificates ({reason}).") from None
    return Certificates(secret, chain, ca)


def _read(flag: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValueError(f"{flag} {file}: cannot be read: {error.strerror}.") from None


def _no_password() -> str:
    """Called for an encrypted key; OpenSSL would ask at the terminal."""
    raise ValueError("--tls-key: is encrypted; the server needs a key without a password.")
