import pytest

from doorward.audit.peers import network


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        ("127.0.0.1", "127.0.0.0/24"),
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/64"),
        ("stdio", "stdio"),
        ("", ""),
    ],
)
def test_names_the_network_and_not_the_host(peer: str, found: str) -> None:
    assert network(peer) == found
