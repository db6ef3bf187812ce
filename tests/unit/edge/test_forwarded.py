"""Who is behind a trusted proxy, and whose word never counts."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.edge.forwarded import MOST_HOPS, Proxies
from doorward.edge.peers import Networks
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason

PROXY = "10.0.0.1"
PROXIES = Proxies(Networks(["10.0.0.0/8", "2001:db8::/32"]))
XFF, FORWARDED, PROTO = b"x-forwarded-for", b"forwarded", b"x-forwarded-proto"


def outcome(forwarded: bytes) -> str | Reason:
    """The client, or why the field was refused."""
    try:
        return PROXIES.client(PROXY, {FORWARDED: forwarded})
    except CallerError as error:
        return error.reason


@pytest.mark.parametrize(
    ("field", "client"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"192.0.2.7:4711", "192.0.2.7"),
        (b"::ffff:192.0.2.7", "192.0.2.7"),
        (b"2a00::7", "2a00::7"),
        (b"[2a00::7]:4711", "2a00::7"),
        (b"[2A00:0::7]", "2a00::7"),
        (b"1.1.1.1, 192.0.2.7", "192.0.2.7"),  # what the client claims stands left of what the proxy saw
        (b"192.0.2.7, 10.9.9.9", "192.0.2.7"),  # a chain of trusted proxies
        (b"192.0.2.7, 2001:db8::9 ,\t10.9.9.9", "192.0.2.7"),
        (b"10.1.1.1, 10.9.9.9", "10.1.1.1"),  # a client within the trusted networks
        (b"<script>, 192.0.2.7", "192.0.2.7"),
        (b"192.0.2.7, unknown", PROXY),  # whoever the proxy cannot name counts as the proxy
        (b"192.0.2.7, unknown, 10.9.9.9", "10.9.9.9"),
        (b"192.0.2.7,", PROXY),
        (b"", PROXY),
        (b"192.0.2.07", PROXY),
        (b"fe80::1%eth0", PROXY),
        (b"localhost", PROXY),
    ],
)
def test_the_rightmost_hop_that_is_not_trusted_is_the_client(field: bytes, client: str) -> None:
    assert PROXIES.client(PROXY, {XFF: field}) == client


@pytest.mark.parametrize(
    ("field", "client"),
    [
        (b"for=192.0.2.7", "192.0.2.7"),
        (b"For=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"),
        (b'for="192.0.2.7:4711"', "192.0.2.7"),
        (b'for="[2a00::7]:4711";host="a, b;c=\\"d"', "2a00::7"),
        (b"for=1.1.1.1 , for=192.0.2.7", "192.0.2.7"),
        (b"for=192.0.2.7, for=10.9.9.9 ; proto=http", "192.0.2.7"),
        (b"for=_hidden", PROXY),
        (b"for=unknown", PROXY),
        (b'for="2a00::7"', PROXY),  # RFC 7239 section 6: IPv6 stands in brackets
        (b"proto=https", PROXY),
        (b"for=192.0.2.7, proto=https", PROXY),
    ],
)
def test_forwarded_as_rfc_7239_has_it(field: bytes, client: str) -> None:
    assert PROXIES.client(PROXY, {FORWARDED: field}) == client


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b",",
        b"for=192.0.2.7,",
        b"for=192.0.2.7;",
        b"for = 192.0.2.7",
        b"for=192.0.2.7 for=1.1.1.1",
        b"for=1.1.1.1;for=192.0.2.7",
        b'for="x, for=192.0.2.7',  # an open quote would swallow what the proxy wrote
        b'for="x, for="[2a00::7]"',
        b'for="x\\", for=192.0.2.7',
        b"for=[2a00::7]",
        b"for=\xff",
        b",".join([b"for=10.0.0.2"] * (MOST_HOPS + 1)),
    ],
)
def test_a_malformed_forwarded_is_refused(field: bytes) -> None:
    with pytest.raises(CallerError) as refused:
        PROXIES.client(PROXY, {FORWARDED: field})
    assert refused.value.reason is Reason.FORWARDED_INVALID


def test_two_fields_must_agree() -> None:
    both = {XFF: b"1.1.1.1, 192.0.2.7", FORWARDED: b"for=192.0.2.7"}
    assert PROXIES.client(PROXY, both) == "192.0.2.7"
    with pytest.raises(CallerError) as refused:
        PROXIES.client(PROXY, both | {FORWARDED: b"for=192.0.2.8"})
    assert refused.value.reason is Reason.FORWARDED_INVALID


def test_too_many_hops_are_refused() -> None:
    hops = [b"10.0.0.2"] * MOST_HOPS
    assert PROXIES.client(PROXY, {XFF: b",".join(hops)}) == "10.0.0.2"
    with pytest.raises(CallerError):
        PROXIES.client(PROXY, {XFF: b",".join([*hops, b"10.0.0.2"])})


@given(
    st.text(alphabet=st.characters(max_codepoint=255), max_size=60),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=60),
)
def test_nobody_else_is_listened_to(xff: str, forwarded: str) -> None:
    given_fields = {XFF: xff.encode("latin-1"), FORWARDED: forwarded.encode("latin-1"), PROTO: b"http"}
    assert Proxies(PROXIES.trusted, https=True).client("192.0.2.1", given_fields) == "192.0.2.1"
    assert Proxies(Networks(), https=True).client(PROXY, given_fields) == PROXY
    assert PROXIES.client("unix", given_fields) == "unix"


@given(st.binary(max_size=80), st.ip_addresses(v=4))
def test_a_client_cannot_choose_who_it_is(claimed: bytes, real: ipaddress.IPv4Address) -> None:
    """Whatever it sends, its proxy appends what it saw; the answer is that, the proxy, or a refusal."""
    claimed = claimed.replace(b"\r", b"").replace(b"\n", b"")
    seen = str(real)
    if seen in PROXIES.trusted:
        return
    assert PROXIES.client(PROXY, {XFF: claimed + b", " + seen.encode()}) == seen
    assert outcome(claimed + b", for=" + seen.encode()) in (seen, Reason.FORWARDED_INVALID)


@given(st.text(alphabet='for=";, \\192.[]:a', max_size=40), st.ip_addresses(v=6))
def test_nor_by_its_quotes(claimed: str, real: ipaddress.IPv6Address) -> None:
    if str(real) in PROXIES.trusted or real.ipv4_mapped is not None:
        return
    field = f'{claimed}, for="[{real}]";proto=https'.encode()
    assert outcome(field) in (str(real), Reason.FORWARDED_INVALID)


@pytest.mark.parametrize(
    "fields",
    [{PROTO: b"http"}, {PROTO: b"https, HTTP"}, {FORWARDED: b"for=192.0.2.7;proto=HTTP"}],
)
def test_a_request_that_reached_the_proxy_in_the_clear_is_refused_where_https_was_promised(fields) -> None:
    with pytest.raises(CallerError) as refused:
        Proxies(PROXIES.trusted, https=True).client(PROXY, fields)
    assert refused.value.reason is Reason.TRANSPORT_INSECURE
    PROXIES.client(PROXY, fields)
    Proxies(PROXIES.trusted, https=True).client(PROXY, {PROTO: b"https", XFF: b"192.0.2.7"})
