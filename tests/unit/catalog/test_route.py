"""A name is looked up, never taken apart."""

import time

import pytest
from msgspec.structs import replace

from doorward.catalog.route import OWN_METHODS, SnapshotRouter
from doorward.catalog.snapshot import Snapshot, unknown
from doorward.model.call import Series
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.pipeline.lists import LISTS
from doorward.wire import methods
from tests.unit.catalog.build import call, listing, snapshot

ME = Principal("default", "me", "agent", "none")


def route(offer, method, params, endpoint: str | None = "a") -> Target:
    return SnapshotRouter(offer, lambda _, server: server != "hidden").route(
        call(method, params, endpoint), ME
    )


def refusal(offer, method, params, endpoint: str | None = "a") -> Reason:
    with pytest.raises(CallerError) as caught:
        route(offer, method, params, endpoint)
    return caught.value.reason


OFFER = snapshot(
    listing("a", tools=("x", "b__x"), prompts=("p",), resources=("u:1",), templates=("n://{id}", "u:{+any}")),
    listing("b", tools=("x",), resources=("u:1",), templates=("n://{name}",), capabilities={"tools": {}}),
)


@pytest.mark.spec("DW-320")
def test_a_tool_by_its_own_name_and_by_the_exposed_one() -> None:
    assert route(OFFER, "tools/call", {"name": "x"}).key == ("a", "tool", "x")
    assert route(OFFER, "tools/call", {"name": "b__x"}).key == ("a", "tool", "b__x")
    assert route(OFFER, "tools/call", {"name": "b__x"}, None).key == ("b", "tool", "x")
    assert route(OFFER, "tools/call", {"name": "a__b__x"}, None).key == ("a", "tool", "b__x")
    assert refusal(OFFER, "tools/call", {"name": "x"}, None) is Reason.TARGET_UNKNOWN
    assert refusal(OFFER, "tools/call", {"name": "a__x"}) is Reason.TARGET_UNKNOWN
    assert refusal(OFFER, "tools/call", {"name": "p"}) is Reason.TARGET_UNKNOWN


@pytest.mark.spec("DW-272")
def test_what_was_found_for_one_is_not_found_for_another() -> None:
    router = SnapshotRouter(OFFER, lambda principal, server: (principal.agent, server) != ("other", "a"))
    series = Series(None, "2026-07-28", {}, {}, None, "x", plain=True)
    other = Series(None, "2026-07-28", {}, {}, None, "b__x", plain=True)
    for _ in range(2):  # looked up, and remembered
        for endpoint, of, key in (
            ("a", series, ("a", "tool", "x")),
            ("b", series, ("b", "tool", "x")),
            ("a", other, ("a", "tool", "b__x")),
            (None, other, ("b", "tool", "x")),
        ):
            asked = replace(call("tools/call", {"name": of.name, "arguments": {}}, endpoint), series=of)
            assert router.route(asked, ME).key == key
        asked = replace(call("tools/call", {"name": "x", "arguments": {}}), series=series)
        with pytest.raises(CallerError) as caught:
            router.route(asked, Principal("default", "you", "other", "none"))
        assert caught.value.reason is Reason.PATH_NOT_FOUND
        with pytest.raises(CallerError) as caught:
            router.route(replace(asked, endpoint=None), ME)
        assert caught.value.reason is Reason.TARGET_UNKNOWN


def test_a_target_carries_its_definition() -> None:
    target = route(OFFER, "tools/call", {"name": "x"})

    assert target.definition is not None
    assert target.definition.listed["name"] == "x"


def test_a_resource_by_list_by_template_and_by_capability() -> None:
    assert route(OFFER, "resources/read", {"uri": "u:1"}).definition is not None
    assert route(OFFER, "resources/read", {"uri": "n://7"}).key == ("a", "resource", "n://7")
    assert route(OFFER, "resources/read", {"uri": "else:9"}).key == ("a", "resource", "else:9")
    assert refusal(OFFER, "resources/read", {"uri": "else:9"}, "b") is Reason.TARGET_UNKNOWN


@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe", "resources/unsubscribe"])
def test_at_the_aggregate_a_uri_says_whose_it_is(method: str) -> None:
    def key(uri: str) -> tuple[str, str, str]:
        return route(OFFER, method, {"uri": uri}, None).key

    assert key("a+u:1") == ("a", "resource", "u:1")
    assert key("b+u:1") == ("b", "resource", "u:1")  # listed, and so readable, whatever else it can do
    assert key("a+n://7") == ("a", "resource", "n://7")
    assert key("a+b+u:1") == ("a", "resource", "b+u:1")
    assert key("ui://a/b/card") == ("a", "resource", "ui://b/card")
    for unheard_of in ("u:1", "n://7", "b+else:9", "c+u:1", "ui://c/card", "ui://a", "a+ui://card", ""):
        assert refusal(OFFER, method, {"uri": unheard_of}, None) is Reason.TARGET_UNKNOWN


@pytest.mark.spec("DW-332")
def test_completion_goes_where_its_reference_goes() -> None:
    for ref, key in [
        ({"type": "ref/prompt", "name": "p"}, ("a", "prompt", "p")),
        ({"type": "ref/resource", "uri": "n://{id}"}, ("a", "template", "n://{id}")),
        ({"type": "ref/resource", "uri": "u:1"}, ("a", "resource", "u:1")),
    ]:
        assert route(OFFER, "completion/complete", {"ref": ref}).key == key
    for uri, name in (("a+n://{id}", "n://{id}"), ("b+n://{name}", "n://{name}"), ("b+u:1", "u:1")):
        there = route(OFFER, "completion/complete", {"ref": {"type": "ref/resource", "uri": uri}}, None)
        assert (there.server, there.name) == (uri[0], name)
    raw = {"ref": {"type": "ref/resource", "uri": "n://{id}"}}
    assert refusal(OFFER, "completion/complete", raw, None) is Reason.TARGET_UNKNOWN
    unlisted = {"ref": {"type": "ref/resource", "uri": "n://7"}}
    assert refusal(OFFER, "completion/complete", unlisted) is Reason.TARGET_UNKNOWN


@pytest.mark.spec("DW-059")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": ["x"]}),
        ("tools/call", {"name": "x", "arguments": "y"}),
        ("tools/call", {"name": "nothing", "arguments": "y"}),
        ("resources/subscribe", {"uri": 1}),
        ("completion/complete", {"ref": "x"}),
        ("completion/complete", {"ref": {"type": "ref/prompt"}}),
        ("completion/complete", {"ref": {"type": []}}),
    ],
)
def test_params_of_the_wrong_shape(method, params) -> None:
    assert refusal(OFFER, method, params) is Reason.INVALID_PARAMS


@pytest.mark.parametrize("method", sorted(OWN_METHODS))
def test_what_we_answer_ourselves(method: str) -> None:
    assert route(OFFER, method, {}) == Target("", Kind.GATEWAY, method, OperationClass.READ)


@pytest.mark.spec("DW-052")
def test_every_request_method_of_every_revision_is_routed_or_refused() -> None:
    assert set(LISTS) < OWN_METHODS
    for table in methods.TABLES.values():
        for method in table.values():
            if method.sender == "server" or method.kind is not methods.REQUEST or method.name in OWN_METHODS:
                continue
            assert refusal(OFFER, method.name, {}) is Reason.INVALID_PARAMS


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "tools/list", "ping"])
def test_a_server_that_a_reload_took_out_is_no_path_any_more(method: str) -> None:
    assert refusal(OFFER, method, {"name": "x", "uri": "u:1"}, "gone") is Reason.PATH_NOT_FOUND
    offer = snapshot(listing("hidden", tools=("x",)))
    assert refusal(offer, method, {"name": "x", "uri": "u:1"}, "hidden") is Reason.PATH_NOT_FOUND


def test_a_server_that_a_reload_added_is_not_held_to_have_been_silent_since_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = time.time()
    offer = Snapshot({"a": unknown("a")})
    monkeypatch.setattr(time, "time", lambda: began + 12.4)
    with pytest.raises(UpstreamError) as caught:
        route(offer, "tools/call", {"name": "x"})
    assert caught.value.message == "server a has not answered yet: it was configured 12 s ago"
