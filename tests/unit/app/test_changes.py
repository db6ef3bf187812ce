"""What differs between two configurations is named, and nothing of what stands in them."""

from pathlib import Path
from typing import Any

import pytest

from doorward.app.changes import actor_of, changes
from doorward.audit.records import Changed
from doorward.config.load import Loaded, parse

HEAD = """\
version: 1
mode: {mode}
gateway: {{listen: "127.0.0.1:0", state: state{tls}}}
auth: {{keys: true}}
"""
SERVERS = "servers:\n  bank: {{url: 'http://127.0.0.1:1/mcp'{more}}}\n"
AGENTS = "agents:\n  bot: {{servers: [bank], tools: {{allow: [{tool}]}}}}\n"
CANARY = "canary-9c41"


def loaded(
    mode: str = "enforce", more: str = "", tool: str = "get_*", tls: str = "", end: str = ""
) -> Loaded:
    text = (HEAD + SERVERS + AGENTS).format(mode=mode, more=more, tool=tool, tls=tls) + end
    return parse(text, environ={"A": f"{CANARY}-a", "B": f"{CANARY}-b"}, read=lambda _: CANARY)


def said(old: Loaded, new: Loaded) -> dict[str, Changed]:
    found = changes(old, new)
    assert CANARY not in repr(found)
    assert len({(each.action, each.object) for each in found}) == len(found)
    return {each.action: each for each in found}


def test_a_comment_changes_the_whole_and_none_of_its_parts() -> None:
    old, new = loaded(), loaded(end="# see ticket 4711\n")
    assert list(said(old, new).values()) == [
        Changed("config:replace", "config", {"digest": old.digest}, {"digest": new.digest})
    ]


def test_a_rule_changes_the_policy() -> None:
    found = said(loaded(), loaded(tool="put_*"))
    assert found.keys() == {"config:replace", "policy:replace"}
    assert found["policy:replace"].before != found["policy:replace"].after


def test_a_mode_is_set_at_each_server_that_it_holds_for() -> None:
    found = said(loaded(), loaded(mode="audit"))
    assert found.keys() == {"config:replace", "policy:replace", "mode:set"}
    assert found["mode:set"] == Changed("mode:set", "server:bank", {"mode": "enforce"}, {"mode": "audit"})


@pytest.mark.parametrize(
    ("first", "second", "secret"),
    [
        (", auth: {bearer: '${env:A}'}", ", auth: {bearer: '${env:B}'}", True),
        (", auth: {bearer: '${env:A}'}", "", False),
        ("", ", timeout: {total: 7s}", False),
    ],
)
def test_a_server_is_replaced(first: str, second: str, secret: bool) -> None:
    """A secret shows as replaced, and neither of its values gives a digest that could be tried out."""
    found = said(loaded(more=first), loaded(more=second))
    assert found.keys() == {"config:replace", "server:replace"}
    change = found["server:replace"]
    assert change.object == "server:bank"
    assert change.before is not None
    assert change.after is not None
    assert (change.after.get("secrets") == "replaced") is secret
    assert (change.before["digest"] == change.after["digest"]) is secret


def test_a_server_comes_and_goes() -> None:
    one, none = loaded(), parse(HEAD.format(mode="enforce", tls="") + "servers: {}\nagents: {}\n", environ={})
    came, went = said(none, one), said(one, none)
    assert (came["mode:set"].before, came["mode:set"].after) == (None, {"mode": "enforce"})
    assert came["server:replace"].before is None
    assert went["server:replace"].after is None


def test_tls_is_replaced() -> None:
    first, second = (loaded(tls=f", tls: {{cert: {name}.pem, key: a.key}}") for name in "ab")
    found = said(first, second)
    assert found.keys() == {"config:replace", "tls:replace"}


def test_who_it_was_is_said_as_far_as_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "doorward.yaml"
    file.write_text("")
    assert (actor_of("file", file).subject, actor_of("file", file).method) == (file.owner(), "file")
    assert (actor_of("signal", file).subject, actor_of("signal", file).method) == ("unknown", "signal")
    assert actor_of("file", tmp_path / "gone").subject == "unknown"

    def nameless(*_: Any) -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(Path, "owner", nameless)
    assert actor_of("file", file).subject == "unknown"


TOKENS = """\
version: 1
gateway: {{listen: "127.0.0.1:0", state: state, public_url: "https://{host}"}}
auth:
  issuers:
    - issuer: https://id.example
      skew: {skew}
      introspection: {{client_id: us, client_secret: "${{env:{secret}}}"}}
servers: {{bank: {{url: 'http://127.0.0.1:1/mcp', scopes: {{"*": [{scope}]}}}}}}
people: [{{issuer: https://id.example, sub: anna, servers: [bank], tools: {{allow: [{tool}]}}}}]
"""


@pytest.mark.parametrize(
    ("what", "actions"),
    [
        ({"skew": "31s"}, {"identity:replace"}),
        ({"host": "other.example"}, {"identity:replace"}),
        ({"secret": "B"}, {"identity:replace"}),
        ({"tool": "put"}, {"policy:replace"}),
        ({"scope": "write"}, {"policy:replace", "server:replace"}),
    ],
)
def test_who_comes_in_is_named_as_what_it_is(what: dict[str, str], actions: set[str]) -> None:
    def of(**changed: str) -> Loaded:
        usual = {"host": "gw.example", "skew": "30s", "secret": "A", "scope": "read", "tool": "get"}
        text = TOKENS.format(**usual | changed)
        return parse(text, environ={"A": f"{CANARY}-a", "B": f"{CANARY}-b"})

    found = said(of(), of(**what))
    assert found.keys() == {"config:replace", *actions}
    if "secret" in what:
        after = found["identity:replace"].after
        assert after is not None
        assert after["secrets"] == "replaced"
