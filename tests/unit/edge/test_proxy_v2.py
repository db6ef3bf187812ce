"""PROXY protocol v2: headers as proxies write them, and everything else."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.edge import proxy_v2
from doorward.edge.proxy_v2 import FIXED, LONGEST, SIGNATURE, ProxyFault

TLVS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=8)


def header(source: str, tlvs: bytes = b"", *, command: int = 0x21, family: int | None = None) -> bytes:
    """As a proxy writes it for a client at `source`."""
    address = ipaddress.ip_address(source)
    family = (0x11 if address.version == 4 else 0x21) if family is None else family
    rest = address.packed * 2 + struct.pack("!HH", 40000, 443) + tlvs
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def read(raw: bytes) -> str | None:
    length = proxy_v2.following(raw[:FIXED])
    assert len(raw) == FIXED + length
    return proxy_v2.source(raw[:FIXED], raw[FIXED:])


def encoded(tlvs: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in tlvs)


@given(st.ip_addresses(), TLVS)
def test_the_source_is_read_and_tlvs_are_skipped(
    address: ipaddress.IPv4Address, tlvs: list[tuple[int, bytes]]
) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert read(header(str(address), encoded(tlvs))) == str(mapped or address)


def test_a_mapped_address_is_ipv4() -> None:
    assert read(header("::ffff:192.0.2.1")) == "192.0.2.1"


@given(st.binary(max_size=LONGEST), st.integers(0, 255))
def test_local_means_the_proxy_itself_whatever_the_rest_says(rest: bytes, family: int) -> None:
    raw = SIGNATURE + struct.pack("!BBH", 0x20, family, len(rest)) + rest
    assert read(raw) is None


@given(TLVS, st.data())
def test_tlvs_that_do_not_fit_are_refused(tlvs: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = encoded([*tlvs, (4, b"x")])
    cut = data.draw(st.integers(len(whole) - 3, len(whole) - 1))
    with pytest.raises(ProxyFault):
        read(header("192.0.2.1", whole[:cut]))


@pytest.mark.parametrize(
    "fixed",
    [
        b"PROXY TCP4 192.0",
        b"GET / HTTP/1.1\r\n",
        SIGNATURE[:-1] + b"\r" + b"\x21\x11\x00\x0c",
        SIGNATURE + b"\x11\x11\x00\x0c",  # version 1 in the form of version 2
        SIGNATURE + b"\x22\x11\x00\x0c",  # a command that does not exist
        SIGNATURE + b"\x2f\x11\x00\x0c",
        SIGNATURE + b"\x21\x00\x00\x00",  # unspecified family: a client without a name
        SIGNATURE + b"\x21\x12\x00\x0c",  # UDP
        SIGNATURE + b"\x21\x22\x00\x24",
        SIGNATURE + b"\x21\x31\x00\xd8",  # Unix
        SIGNATURE + b"\x21\x41\x00\x0c",
        SIGNATURE + b"\x21\x11\x00\x0b",  # too short
        SIGNATURE + b"\x21\x21\x00\x23",
        SIGNATURE + b"\x21\x11\x10\x01",  # too long
        SIGNATURE + b"\x20\x00\xff\xff",
    ],
)
def test_refused(fixed: bytes) -> None:
    assert len(fixed) == FIXED
    with pytest.raises(ProxyFault):
        proxy_v2.following(fixed)


@given(st.binary(min_size=FIXED, max_size=FIXED), st.binary(max_size=LONGEST))
def test_anything_is_read_or_refused(fixed: bytes, rest: bytes) -> None:
    for given_fixed in (fixed, SIGNATURE + fixed[:4]):
        try:
            length = proxy_v2.following(given_fixed)
            found = proxy_v2.source(given_fixed, (rest * (length + 1))[:length].ljust(length, b"\0"))
        except ProxyFault:
            continue
        assert found is None or ipaddress.ip_address(found)


@given(st.integers(0, 12), st.binary(max_size=20))
def test_a_beginning_is_refused_as_soon_as_it_can_be(kept: int, then: bytes) -> None:
    seen = SIGNATURE[:kept] + then
    if seen[:12] == SIGNATURE[: len(seen[:12])]:
        proxy_v2.check(seen)
    else:
        with pytest.raises(ProxyFault):
            proxy_v2.check(seen)
