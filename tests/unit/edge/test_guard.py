"""What the head of a request decides: Host, Origin, media types, where the credential stands."""

import msgspec
import pytest

from doorward.edge.exchange import HttpRequest
from doorward.edge.guard import FORWARDING, Guard
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from tests.unit.edge.exchanges import head


def request(path: str = "/mcp", **headers: str) -> HttpRequest:
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return HttpRequest(head(b"POST", path, {b"host": b"127.0.0.1:7420"} | fields))


def guard(*origins: str, hosts: frozenset[str] = frozenset()) -> Guard:
    return Guard(hosts=hosts, origins=frozenset(origins))


def reason_of(error: pytest.ExceptionInfo[CallerError]) -> Reason:
    return error.value.reason


@pytest.mark.spec("DW-071")
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7420", "localhost:1", "LOCALHOST", "[::1]:7420", "[::1]"]
)
def test_loopback_names_are_served(host: str) -> None:
    assert guard().check(request(host=host)) == ()


@pytest.mark.spec("DW-071")
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::2]", "[::1", "127.0.0.2"],
)
def test_rebound_names_are_not(host: str) -> None:
    with pytest.raises(CallerError) as error:
        guard().check(request(host=host))
    assert reason_of(error) is Reason.HOST_FORBIDDEN


@pytest.mark.spec("DW-071", "DW-404")
def test_the_public_name_is_served() -> None:
    assert guard(hosts=frozenset({"gw.example"})).check(request(host="gw.example:443")) == ()


@pytest.mark.spec("DW-071")
def test_a_good_host_does_not_open_the_door_for_a_bad_one() -> None:
    one = guard()
    one.check(request(host="localhost"))
    with pytest.raises(CallerError):
        one.check(request(host="localhost.evil"))


@pytest.mark.spec("DW-070")
def test_an_origin_that_is_not_listed_is_refused_even_on_loopback() -> None:
    with pytest.raises(CallerError) as error:
        guard("https://app.example").check(request(origin="http://localhost:3000"))
    assert reason_of(error) is Reason.ORIGIN_FORBIDDEN


@pytest.mark.spec("DW-070")
@pytest.mark.parametrize("host", ["127.0.0.1:7420", "localhost:7420", "[::1]:7420", "localhost"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_listeners_own_loopback_origin_is_served_without_cors(host: str, scheme: str) -> None:
    assert guard().check(request(host=host, origin=f"{scheme}://{host}")) == ()


@pytest.mark.spec("DW-070")
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:7420", "http://127.0.0.1:7421"),
        ("127.0.0.1:7420", "http://127.0.0.1"),
        ("127.0.0.1:7420", "http://localhost:7420"),
        ("127.0.0.1:7420", "http://127.0.0.1:7420.evil.example"),
        ("127.0.0.1:7420", "null"),
        ("127.0.0.1:7420", "file://127.0.0.1:7420"),
        ("gw.example", "http://gw.example"),
        ("gw.example", "https://gw.example"),
    ],
)
def test_no_other_origin_is_ours(host: str, origin: str) -> None:
    with pytest.raises(CallerError) as error:
        guard(hosts=frozenset({"gw.example"})).check(request(host=host, origin=origin))
    assert reason_of(error) is Reason.ORIGIN_FORBIDDEN


@pytest.mark.spec("DW-403")
def test_a_listed_origin_gets_its_cors_answer() -> None:
    headers = dict(guard("https://app.example").check(request(origin="https://app.example")))
    assert headers[b"access-control-allow-origin"] == b"https://app.example"


@pytest.mark.spec("DW-403")
def test_preflight_echoes_parameter_headers_and_no_others() -> None:
    asked = request(access_control_request_headers="Mcp-Param-Region, X-Other")
    allowed = dict(Guard.preflight(asked))[b"access-control-allow-headers"]
    assert b"mcp-param-region" in allowed
    assert b"x-other" not in allowed


@pytest.mark.spec("DW-074")
@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonx", "application/json-rpc"])
def test_only_json_is_taken(kind: str) -> None:
    with pytest.raises(CallerError) as error:
        Guard.check_post(request(content_type=kind))
    assert reason_of(error) is Reason.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.spec("DW-074")
@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_no_content_coding_is_taken(coding: str) -> None:
    with pytest.raises(CallerError) as error:
        Guard.check_post(request(content_type="application/json", content_encoding=coding))
    assert reason_of(error) is Reason.UNSUPPORTED_MEDIA_TYPE
    Guard.check_post(request(content_type="application/json", content_encoding="Identity"))


@pytest.mark.spec("DW-074")
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken(kind: str) -> None:
    Guard.check_post(request(content_type=kind))


@pytest.mark.spec("DW-073")
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "text/html"])
def test_a_caller_must_take_both_forms(accept: str) -> None:
    with pytest.raises(CallerError) as error:
        Guard.check_post(request(content_type="application/json", accept=accept))
    assert reason_of(error) is Reason.NOT_ACCEPTABLE


@pytest.mark.spec("DW-073")
@pytest.mark.parametrize(
    "accept", ["*/*", "application/json, text/event-stream", "text/event-stream,application/json;q=0.5"]
)
def test_both_forms_and_anything_are_accepted(accept: str) -> None:
    Guard.check_post(request(content_type="application/json", accept=accept))


@pytest.mark.spec("DW-400")
def test_a_key_may_come_in_either_header() -> None:
    assert Guard.credential(request(authorization="Bearer abc"), "127.0.0.1").secret == "abc"
    assert Guard.credential(request(authorization="bearer abc"), "127.0.0.1").secret == "abc"
    assert Guard.credential(request(x_doorward_key="abc"), "127.0.0.1").secret == "abc"


@pytest.mark.spec("DW-400")
def test_a_key_in_both_headers_is_ambiguous() -> None:
    with pytest.raises(CallerError) as error:
        Guard.credential(request(authorization="Bearer abc", x_doorward_key="abc"), "127.0.0.1")
    assert reason_of(error) is Reason.CREDENTIAL_AMBIGUOUS


@pytest.mark.spec("DW-400")
@pytest.mark.parametrize("field", ["Basic abc", "Bearer", "Bearer ", "abc"])
def test_other_schemes_are_refused(field: str) -> None:
    with pytest.raises(CallerError) as error:
        Guard.credential(request(authorization=field), "127.0.0.1")
    assert reason_of(error) is Reason.CREDENTIAL_INVALID


@pytest.mark.spec("DW-405")
@pytest.mark.parametrize("name", [*sorted(FORWARDING), b"x-forwarded-for", b"x-forwarded-anything"])
def test_every_forwarding_header_marks_the_request_as_proxied(name: bytes) -> None:
    seen = Guard.credential(request(**{name.decode().replace("-", "_"): "x"}), "127.0.0.1")
    assert seen.local
    assert seen.proxied


@pytest.mark.spec("DW-405")
@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("unix", True),
        ("10.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_local_means_loopback_or_a_unix_socket(peer: str, local: bool) -> None:
    assert Guard.credential(request(), peer).local is local


TOKEN = "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2lnbmF0dXJl"


@pytest.mark.spec("DW-412")
@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": f"Bearer {TOKEN}, Bearer {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}, Bearer other"},
        {"authorization": f"Bearer {TOKEN}, "},
        {"authorization": f", Bearer {TOKEN}"},
        {"authorization": f"Basic YTpi, Bearer {TOKEN}"},
        {"authorization": f"Bearer {TOKEN} {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}\t{TOKEN}"},
        {"authorization": "Bearer " + "a" * 8193},
        {"x_doorward_key": "dw_a, dw_a"},
        {"x_doorward_key": "a" * 8193},
        {"x_doorward_key": "dw_a", "authorization": "Bearer dw_a"},
    ],
)
def test_one_credential_in_one_place_and_no_more(fields: dict[str, str]) -> None:
    """`parse_head` joins fields that came twice with a comma and a space."""
    with pytest.raises(CallerError) as error:
        guard().credential(request(**fields), "192.0.2.1")
    assert reason_of(error) is Reason.CREDENTIAL_AMBIGUOUS
    assert TOKEN not in error.value.message


@pytest.mark.spec("DW-407", "DW-412")
@pytest.mark.parametrize(
    "query",
    [
        "access_token=x", "a=b&access_token=x", "access_token", "ACCESS_TOKEN=x", "access%5ftoken=x",
        "a;access_token=x", "+access_token=x", "%61ccess_token=", "access_token&a=b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("fields", [{}, {"authorization": f"Bearer {TOKEN}"}])
def test_no_token_comes_in_by_the_query(query: str, fields: dict[str, str]) -> None:
    asked = request(**fields)
    in_query = HttpRequest(msgspec.structs.replace(asked.head, query=query))
    with pytest.raises(CallerError) as error:
        guard().credential(in_query, "192.0.2.1")
    assert reason_of(error) is Reason.CREDENTIAL_AMBIGUOUS


@pytest.mark.spec("DW-407")
@pytest.mark.parametrize("query", ["", "a=b", "my_access_token=x", "access_tokens=x", "x=access_token"])
def test_other_queries_are_nobodys_business(query: str) -> None:
    asked = HttpRequest(msgspec.structs.replace(request(authorization=f"Bearer {TOKEN}").head, query=query))
    assert guard().credential(asked, "192.0.2.1").secret == TOKEN


@pytest.mark.spec("DW-400")
@pytest.mark.parametrize("field", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER   {TOKEN}  "])
def test_a_token_is_taken_as_it_stands(field: str) -> None:
    assert guard().credential(request(authorization=field), "192.0.2.1").secret == TOKEN


@pytest.mark.spec("DW-400")
@pytest.mark.parametrize("field", ["Basic YTpi", "Bearer", "Bearer ", f"DPoP {TOKEN}", TOKEN, ""])
def test_another_scheme_is_no_credential_of_ours(field: str) -> None:
    with pytest.raises(CallerError) as error:
        guard().credential(request(authorization=field), "192.0.2.1")
    assert reason_of(error) is Reason.CREDENTIAL_INVALID
