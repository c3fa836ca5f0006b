"""What a client is given is checked before anything is sent: addresses, certificates, times."""

from __future__ import annotations

import pytest

import tffreeze
from tffreeze import RequestError, Tls
from tffreeze.connection import Connection
from tffreeze.health import check_health
from tffreeze.retry import MAX_TIMEOUT_SECONDS, check_timeout

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "is no address"),
        (" ", "is no address"),
        ("freeze.example:1\n", "is no address"),
        ("http://localhost:1", "is no address"),
        ("HTTPS://localhost:1", "is no address"),
        ("localhost:1,localhost:2", "more than one address"),
        ("localhost:65536", "the port 65536, and 65535"),
        ("localhost:099999", "the port 099999"),
        ("[::1]:99999", "the port 99999"),
        ("dns:///localhost:99999", "the port 99999"),
        (":65536", "the port 65536"),
        ("a\udcff:1", "not UTF-8"),
    ],
)
def test_what_is_no_address_is_refused(address: str, says: str) -> None:
    """Before it is looked up; the others of a list do not help."""
    with pytest.raises(RequestError, match=says) as raised:
        tffreeze.Client("localhost:1", address)
    assert ("INVALID_OPTION", address) == (raised.value.reason, raised.value.subject)


@pytest.mark.parametrize(
    "address",
    [
        "localhost",
        "localhost:65535",
        "freeze.example:0",
        "[::1]:65535",
        "::1",
        "fe80::99999",
        "dns:///freeze.example:1",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv6:[::1]:1,[::1]:2",
        "unix:a,b",
        "unix-abstract:a,b",
        "unix:/run/a:99999",
        "xds:///freeze",
        "httpd:1",
    ],
)
def test_an_address_is_taken(address: str) -> None:
    """As gRPC takes it."""
    tffreeze.Client(address).close()


@pytest.mark.parametrize(
    ("tls", "says"),
    [
        (Tls(root_certificates=b""), "`root_certificates` of TLS is not PEM"),
        (Tls(root_certificates=KEY), "`root_certificates` of TLS is not PEM"),
        (Tls(certificate=b"\x30\x82", private_key=KEY), "`certificate` of TLS is not PEM"),
        (Tls(certificate=CERTIFICATE, private_key=CERTIFICATE), "`private_key` of TLS is not PEM"),
        (Tls(certificate=CERTIFICATE), "give both, or none"),
        (Tls(private_key=KEY), "give both, or none"),
    ],
)
def test_certificates_that_cannot_be_used_are_refused(tls: Tls, says: str) -> None:
    """With a certificate without its key gRPC would end the process."""
    with pytest.raises(RequestError, match=says) as raised:
        tffreeze.Client("localhost:1", tls=tls)
    assert "INVALID_OPTION" == raised.value.reason


@pytest.mark.parametrize(
    "tls", [Tls(), Tls(CERTIFICATE), Tls(None, CERTIFICATE, KEY), Tls(CERTIFICATE, CERTIFICATE, KEY)]
)
def test_certificates_are_taken(tls: Tls) -> None:
    """Those of the system, those to trust, and one's own with its key."""
    tffreeze.Client("localhost:1", tls=tls).close()


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 1e300, MAX_TIMEOUT_SECONDS + 1])
def test_a_timeout_that_is_none_is_refused(seconds: float) -> None:
    """Of the client, of a call, of a health check: it is no server's fault."""
    for call in (
        lambda: tffreeze.Client("localhost:1", timeout_seconds=seconds).capabilities(),
        lambda: tffreeze.Client("localhost:1").capabilities(timeout_seconds=seconds),
        lambda: check_health(Connection(["localhost:1"], None, None, insecure=False), seconds),
    ):
        with pytest.raises(RequestError, match="A timeout is more than 0") as raised:
            call()
        assert "INVALID_OPTION" == raised.value.reason


@pytest.mark.parametrize("seconds", [None, 1e-9, 366 * 24 * 3600])
def test_a_timeout_is_taken(seconds: float | None) -> None:
    """Up to a year."""
    check_timeout(seconds)
