"""Who counts as one caller, where nobody has said who it is."""

from __future__ import annotations

import pytest

from tffreeze_server.rpc.caller import caller_of


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("ipv4:10.0.0.7:34567", "ipv4:10.0.0.7"),
        ("ipv6:%5B::1%5D:34567", "ipv6:::/64"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:1", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2:ffff::%5D:2", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:3::1]:1", "ipv6:2001:db8:1:3::/64"),
        ("ipv6:[fe80::1%25eth0]:1", "ipv6:fe80::/64"),
        ("ipv6:[::ffff:10.0.0.7]:1", "ipv4:10.0.0.7"),
        ("ipv6:[what]:1", "ipv6:what"),
        ("unix:/run/it.sock", "unix:/run/it.sock"),
        ("unix:", "unix:"),
    ],
)
def test_callers_by_address(peer: str, name: str) -> None:
    """One address is one caller, whatever its port; of IPv6 one network is, whose addresses are free to have."""
    assert name == caller_of(peer).name
