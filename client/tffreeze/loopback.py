"""Whether the target of a channel is on this machine, without trusting name servers or proxies.

gRPC's naming documentation defines targets (github.com/grpc/grpc, doc/naming.md): an address, or
`SCHEME:ADDRESS`, where `dns`, `ipv4` and `ipv6` may have an authority between `//` and `/`, and `ipv4` and `ipv6`
take a list. When in doubt, a target is on another machine.
"""

from __future__ import annotations

import ipaddress
import re

_UNIX = re.compile(r"unix(-abstract)?:[A-Za-z0-9._~!$&'()*+,;=:@/-]+")
"""What gRPC accepts as a path; with other characters it would look up a host named `unix`."""

_SCHEMES = re.compile(r"(?P<scheme>dns|ipv4|ipv6):(///)?(?P<addresses>.*)", re.DOTALL)
_WITH_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(:[0-9]{1,5})?")


def is_loopback(target: str) -> bool:
    """Whether every address of a target is on this machine."""
    if _UNIX.fullmatch(target):
        return True
    match = _SCHEMES.fullmatch(target)
    if match is None:
        return _is_here(target, names=True)
    if match["scheme"] == "dns":
        return _is_here(match["addresses"], names=True)
    return all(_is_here(address, names=False) for address in match["addresses"].split(","))


def _is_here(address: str, *, names: bool) -> bool:
    match = _WITH_PORT.fullmatch(address)
    host = match["host"] if match else address  # an IPv6 address without brackets has no port
    if names and host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
