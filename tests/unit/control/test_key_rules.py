"""What a key can be, and what goes beyond its agent (control/key_rules.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from doorward.control import key_rules as rules
from doorward.control.key_rules import beyond_agent
from doorward.model.bounds import Narrowing
from doorward.model.globs import matches
from doorward.model.target import Kind, OperationClass, Target
from doorward.policy.bounds import outside
from doorward.ports.store import KeyRecord
from tests.contract.store import RECORD
from tests.unit.control.key_house import configured

CI = replace(RECORD, agent="ci")


def beyond(key: KeyRecord) -> list[str]:
    ground = configured()
    return list(beyond_agent(ground.agent("ci"), ground, servers=True, tools=True, rate=True, key=key))


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"servers": ("git",)},
        {"servers": ("git*", "docs")},
        {"servers": ("do*",)},
        {"tools": ("get_issue", "list_issues")},
        {"tools": ("git*/get_*",)},
        {"tools": ("docs/*",)},
        {"tools": ("anything",)},  # of docs
        {"servers": ("git",), "tools": ("get_*",)},
        {"tools": ("get_secret",)},  # denied at use: a deny is no grant
        {"rate": "100/min"},
        {"rate": "1/s"},
        {"rate": "6000/h"},
        {"read_only": True, "networks": ("10.0.0.0/8",)},
    ],
)
def test_what_an_agent_has_its_key_may_have(limits: dict[str, object]) -> None:
    assert beyond(replace(CI, **limits)) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"servers": ("crm",)},
            ["servers crm: agent ci has no grant there (doorward.yaml:8, doorward.yaml:15)"],
        ),
        ({"servers": ("c*", "git")}, ["servers crm: agent ci has no grant there"]),
        ({"servers": ("gitt",)}, ['servers "gitt": the configuration has no such server']),
        ({"servers": ("x*",)}, ['servers "x*": the configuration has no such server']),
        (
            {"servers": ("git",), "tools": ("drop_*",)},
            ['tools "drop_*": of git agent ci may call get_* (doorward.yaml:12), list_issues'],
        ),
        ({"servers": ("git",), "tools": ("*",)}, ['tools "*": of git']),
        ({"servers": ("git",), "tools": ("g*",)}, ['tools "g*": of git']),
        ({"tools": ("git/delete_*", "get_x")}, ['tools "git/delete_*": of git']),
        ({"tools": ("crm/get_*",)}, ['tools "crm/get_*": the key reaches no such server']),
        (
            {"servers": ("docs",), "tools": ("git/get_*",)},
            ['tools "git/get_*": the key reaches no such server'],
        ),
        ({"rate": "101/min"}, ["rate 101/min: agent ci has 100/min (doorward.yaml:9)"]),
        ({"rate": "2/s"}, ["rate 2/s: agent ci has 100/min"]),
        ({"servers": ("crm",), "rate": "9/s"}, ["servers crm", "rate 9/s"]),
    ],
)
def test_what_it_has_not_is_named_with_its_place(limits: dict[str, object], words: list[str]) -> None:
    found = beyond(replace(CI, **limits))
    assert len(found) == len(words)
    for said, word in zip(found, words, strict=True):
        assert said.startswith(word)


def test_only_what_was_asked_about_is_looked_at() -> None:
    ground, key = configured(), replace(CI, servers=("crm",), tools=("x/y",), rate="9/s")
    agent = ground.agent("ci")
    assert list(beyond_agent(agent, ground, servers=False, tools=False, rate=False, key=key)) == []
    [said] = beyond_agent(agent, ground, servers=False, tools=False, rate=True, key=key)
    assert said.startswith("rate")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (None, None),
        (("*",), None),
        (("git", "crm", "git"), ("git", "crm")),
        (("*", "git"), ("*", "git")),
    ],
)
def test_servers(given: tuple[str, ...] | None, taken: tuple[str, ...] | None) -> None:
    assert rules.server_globs(given) == taken


@pytest.mark.parametrize("glob", ["", "GIT", "git?", "a b", "git,crm", "x" * 65, "git\n", "é"])
def test_no_servers(glob: str) -> None:
    with pytest.raises(ValueError, match="server"):
        rules.server_globs((glob,))


@pytest.mark.parametrize("glob", ["", "get ?", "get_[ab]", "{a}", "a b", "x" * 257, "get\n"])
def test_no_tools(glob: str) -> None:
    with pytest.raises(ValueError, match="tools"):
        rules.tool_globs((glob,))


@pytest.mark.parametrize("globs", [(), tuple(f"a{number}" for number in range(101))])
def test_no_limit_is_empty_or_endless(globs: tuple[str, ...]) -> None:
    for check in (rules.server_globs, rules.tool_globs, rules.networks):
        with pytest.raises(ValueError, match=r"revoked|more than 100"):
            check(globs)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("unix", "unix"),
        ("0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_networks(given: str, taken: str) -> None:
    assert rules.networks((given, given)) == (taken,)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("10.0.0.0/33", "expected"),
        ("example.com", "expected"),
        ("", "expected"),
        ("::ffff:10.0.0.0/104", "as IPv4"),
        ("10.0.0.0/8 ", "expected"),
    ],
)
def test_no_networks(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        rules.networks((text,))


def test_a_rate_has_one_spelling() -> None:
    assert rules.rate("100/min") == "100/min"
    assert rules.rate(None) is None
    with pytest.raises(ValueError, match="rate"):
        rules.rate("100 / min")


names = st.sampled_from(["get_a", "get_b", "set_a", "list"])
servers = st.sampled_from(["git", "git-hub", "crm", "docs"])
globs = st.sampled_from(["*", "g*", "get_*", "set_a", "*a", "list"])
server_globs = st.sampled_from(["*", "git", "git*", "crm", "do*", "*o*"])
scoped = st.one_of(globs, st.tuples(server_globs, globs).map("/".join))


@given(
    st.none() | st.lists(server_globs, min_size=1, max_size=3).map(tuple),
    st.none() | st.lists(scoped, min_size=1, max_size=3).map(tuple),
    servers,
    names,
)
def test_a_key_within_its_agent_leaves_nothing_that_the_agent_does_not_have_somewhere(
    of_servers: tuple[str, ...] | None, of_tools: tuple[str, ...] | None, server: str, name: str
) -> None:
    """Each name that a key spells out for a server is one that the agent may call on one of its servers."""
    key = replace(CI, servers=of_servers, tools=of_tools)
    if beyond(key):
        return
    target = Target(server, Kind.TOOL, name, OperationClass.READ)
    left = outside(Narrowing("key", of_servers, of_tools), target) is None
    if not left or of_tools is None:
        return
    agent = configured().agent("ci")
    reached = rules.reach(agent, configured(), of_servers)
    assert any(
        matches(glob.pattern, name)
        for grant in agent.grants
        if any(matches(one.pattern, each) for one in grant.servers for each in reached)
        for glob in grant.tools.allow
    )
