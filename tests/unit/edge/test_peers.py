"""One spelling for an address, one share for a client, and which networks it is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.edge.peers import Networks, canonical, share


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.07", None),
        ("192.0.2", None),
        ("unix", None),
        ("", None),
    ],
)
def test_an_address_has_one_spelling(text: str, expected: str | None) -> None:
    assert canonical(text) == expected


def test_a_client_counts_by_its_ipv4_address_or_its_whole_64() -> None:
    assert share("192.0.2.7") == "192.0.2.7"
    assert share("2001:db8:1:2::7") == share("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert share("2001:db8:1:3::7") != share("2001:db8:1:2::7")
    assert share("fe80::1%eth0") == "fe80::/64"
    assert share("unix") == "unix"


@given(st.text(max_size=20))
def test_a_share_is_made_of_anything(text: str) -> None:
    assert isinstance(share(text), str)


def test_networks_hold_addresses_and_the_unix_socket_only_when_named() -> None:
    networks = Networks(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])
    assert all(each in networks for each in ("10.1.2.3", "192.0.2.1", "2001:db8::5"))
    assert not any(each in networks for each in ("11.0.0.1", "192.0.2.2", "2001:db9::", "unix", "no address"))
    assert "unix" in Networks(["unix"])
    assert not Networks()
    assert Networks(["unix"])


def test_what_is_remembered_of_many_peers_is_bounded_and_right() -> None:
    networks = Networks(["10.0.0.0/24"])
    for low in range(5000):
        peer = f"10.0.{low // 250}.{low % 250}"
        assert (peer in networks) is (low < 250)
    assert len(networks._known) <= 4096
    assert "10.0.0.9" in networks
