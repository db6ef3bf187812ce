"""Where a client learns whom to ask for a token."""

import json
from typing import Any

import pytest

from doorward.edge.discovery import Discovery
from doorward.edge.guard import Guard
from doorward.edge.plane import PlaneSettings
from tests.unit.edge.test_plane import KEY, Channel, Face

ROOT = "/.well-known/oauth-protected-resource"
ISSUERS = ("https://id.example/realms/x", "https://other.example")
SCOPES = {None: ("read",), "bank": ("bank:read", "read")}
ORIGIN = {b"origin": b"https://app.example"}


def discovery(**said: Any) -> Discovery:
    usual: dict[str, Any] = {
        "resource": "https://gw.example/mcp",
        "base": "",
        "issuers": ISSUERS,
        "scopes": SCOPES,
    }
    return Discovery(**{**usual, **said})


def of(path: str, **said: Any) -> Any:
    document = discovery(**said).document(path)
    return None if document is None else json.loads(document)


def face(said: Discovery | None = None) -> Face:
    made = Face()
    guard = Guard(hosts=frozenset({"gw.example"}), origins=frozenset({"https://app.example"}))
    endpoints = {"/mcp": None, "/mcp/bank": "bank", "/mcp/files": "files"}
    made.plane.settings = PlaneSettings(endpoints, guard, discovery=said or discovery())
    return made


@pytest.mark.parametrize("path", ["", "/mcp"])
def test_the_root_and_the_aggregate_are_one_resource(path: str) -> None:
    assert of(ROOT + path) == {
        "resource": "https://gw.example/mcp",
        "authorization_servers": list(ISSUERS),
        "scopes_supported": ["read"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Doorward",
    }


def test_each_server_is_a_resource_of_its_own() -> None:
    found = of(f"{ROOT}/mcp/bank")
    assert found["resource"] == "https://gw.example/mcp/bank"
    assert found["scopes_supported"] == ["bank:read", "read"]
    assert found["resource_name"] == "Doorward: bank"


def test_whether_a_server_exists_is_not_told() -> None:
    real, made_up = of(f"{ROOT}/mcp/files"), of(f"{ROOT}/mcp/filez")
    assert json.loads(json.dumps(real).replace("files", "filez")) == made_up


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/", f"{ROOT}/mcp/", f"{ROOT}/mcp/Bank", f"{ROOT}/mcp/a/b", f"{ROOT}/mcp/{'a' * 17}",
        f"{ROOT}/mcpx", f"{ROOT}x", f"{ROOT}/whoami", "/.well-known/oauth-authorization-server",
        "/mcp/.well-known/oauth-protected-resource", f"{ROOT}/mcp/bank%0a", f"{ROOT}/mcp/bank\n",
    ],
)  # fmt: skip
def test_nothing_else_is_a_resource(path: str) -> None:
    assert of(path) is None


def test_a_path_before_ours_stands_after_the_well_known_part() -> None:
    under = {"base": "/tools", "resource": "https://gw.example/tools/mcp"}
    assert of(f"{ROOT}/tools/mcp/bank", **under)["resource"] == "https://gw.example/tools/mcp/bank"
    assert of(f"{ROOT}/tools/mcp", **under) == of(f"{ROOT}/tools", **under) == of(ROOT, **under)
    # A proxy may have taken it off.
    assert of(f"{ROOT}/mcp/bank", **under)["resource"] == "https://gw.example/tools/mcp/bank"


def test_bound_tokens_are_announced_where_certificates_are_read() -> None:
    assert of(ROOT, bound=True)["tls_client_certificate_bound_access_tokens"] is True


def test_no_scope_is_named_where_none_is_needed_for_everything() -> None:
    assert "scopes_supported" not in of(f"{ROOT}/mcp/files")


# --- by HTTP ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/mcp", f"{ROOT}/mcp/bank", f"{ROOT}/mcp/nobody"])
@pytest.mark.asyncio
async def test_it_is_answered_without_a_credential(path: str) -> None:
    got = await face().ask(b"GET", path)
    assert got.status == 200
    assert got.fields["content-type"] == "application/json"
    assert got.fields["cache-control"] == "public, max-age=300"
    assert json.loads(got.body)["authorization_servers"] == list(ISSUERS)
    assert "access-control-allow-origin" not in got.fields
    assert "www-authenticate" not in got.fields


@pytest.mark.asyncio
async def test_head_has_the_fields_and_no_body() -> None:
    got, headed = await face().ask(b"GET", ROOT), await face().ask(b"HEAD", ROOT)
    assert headed.status == 200
    assert headed.body == b""
    assert headed.fields["content-length"] == str(len(got.body))


@pytest.mark.asyncio
async def test_pages_of_allowed_origins_may_read_it() -> None:
    got = await face().ask(b"GET", ROOT, ORIGIN)
    assert got.fields["access-control-allow-origin"] == "https://app.example"
    assert got.fields["vary"] == "origin"
    asked = await face().ask(b"OPTIONS", ROOT, ORIGIN | {b"access-control-request-method": b"GET"})
    assert asked.status == 204
    assert asked.fields["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    other = await face().ask(b"GET", ROOT, {b"origin": b"https://evil.example"})
    assert other.error == (403, -32600, "origin_forbidden")


@pytest.mark.asyncio
async def test_options_says_what_is_allowed_without_an_origin() -> None:
    got = await face().ask(b"OPTIONS", ROOT)
    assert (got.status, got.fields["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "access-control-allow-methods" not in got.fields


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH"])
@pytest.mark.asyncio
async def test_nobody_can_write_it(method: bytes) -> None:
    got = await face().ask(method, ROOT, KEY)
    assert got.error == (405, -32600, "http_method_not_allowed")
    assert got.fields["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.asyncio
async def test_the_host_is_checked_and_never_believed() -> None:
    evil = await face().ask(b"GET", ROOT, {b"host": b"evil.example"})
    assert evil.error == (403, -32600, "host_forbidden")
    near = await face().ask(b"GET", ROOT, {b"host": b"127.0.0.1:7420"})
    assert json.loads(near.body)["resource"] == "https://gw.example/mcp"


@pytest.mark.asyncio
async def test_without_issuers_there_is_nothing_to_discover() -> None:
    got: Channel = await Face().ask(b"GET", ROOT)
    assert got.error == (404, -32600, "path_not_found")
