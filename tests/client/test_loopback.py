"""A token goes to this machine in plaintext, and to no name that only looks like it."""

from __future__ import annotations

import pytest

import tffreeze
from tffreeze.loopback import is_loopback

HERE = [
    "localhost",
    "localhost:50051",
    "127.0.0.1:50051",
    "127.255.255.254:1",
    "[::1]:50051",
    "[::1]",
    "::1",
    "dns:localhost:1",
    "dns:///localhost:1",
    "dns:///127.0.0.1:1",
    "ipv4:127.0.0.1:1",
    "ipv4:///127.0.0.1:1",
    "ipv4:127.0.0.1:1,127.0.0.2:2",
    "ipv6:[::1]:1",
    "ipv6:[::1]:1,[::1]:2",
    "unix:///run/tffreeze.sock",
    "unix:/run/tffreeze.sock",
    "unix:tffreeze.sock",
    "unix-abstract:tffreeze",
]
ELSEWHERE = [
    "",
    "freeze.example:50051",
    "localhost.evil.example:1",
    "localhost.evil.example",
    "notlocalhost:1",
    "localhost@evil.example:1",
    "localhost:1@evil.example:2",
    "localhost:1,evil.example:2",
    "127.0.0.1.nip.example:1",
    "127.0.0.1:1,10.0.0.1:2",
    "127.1:1",
    "0.0.0.0:1",
    "10.0.0.1:1",
    "[::]:1",
    "[::2]:1",
    "[::1].evil.example:1",
    "[::1]evil.example",
    "unix-box.example:1",
    "unix.example:1",
    "unix",
    "unix:443 x",
    "unix:%2Fevil",
    "UNIX:/run/x",
    "vsock:2:1",
    "dns://8.8.8.8/localhost:1",
    "dns:///localhost.evil.example:1",
    "dns:///evil.example/localhost",
    "ipv4:127.0.0.1:1,10.0.0.1:2",
    "ipv4:10.0.0.1:1,127.0.0.1:2",
    "ipv4:127.0.0.1:1%2C10.0.0.1:2",
    "ipv4:localhost:1",
    "ipv4:127.0.0.1:1,",
    "ipv6:[::1]:1,[2001:db8::1]:2",
    "xds:///localhost:1",
    "google-c2p:///localhost",
    "127.0.0.1:x",
    "127.0.0.1:\u0661",
    "\u0661\u0662\u0667.0.0.1:1",
    "localhost:1?x",
    "localhost/evil",
    " localhost:1",
]


@pytest.mark.parametrize("target", HERE)
def test_this_machine_is_here(target: str) -> None:
    """Names and addresses that cannot be another machine get the token."""
    assert is_loopback(target)
    tffreeze.Client(target, token="secret").close()


@pytest.mark.parametrize("target", ELSEWHERE)
def test_all_else_is_elsewhere(target: str) -> None:
    """Whatever is not known for sure to be here, in whatever place of a list, does not get it."""
    assert not is_loopback(target)
    with pytest.raises(tffreeze.RequestError, match=r"plaintext|address") as caught:
        tffreeze.Client("localhost:1", target or "x", token="secret")
    assert caught.value.reason == "INVALID_OPTION"


@pytest.mark.parametrize("token", ["a b", "a\nb", "a\r\nx: y", "\u00e9", "a\0"])
def test_a_token_that_no_header_takes_is_refused(token: str) -> None:
    """Said when the client is made, not by gRPC in the first call."""
    with pytest.raises(tffreeze.RequestError, match="token"):
        tffreeze.Client("localhost:1", token=token)


def test_the_key_is_not_shown() -> None:
    """Whoever logs how the client speaks TLS does not log its key."""
    assert "hidden" not in repr(tffreeze.Tls(certificate=b"shown", private_key=b"hidden"))
