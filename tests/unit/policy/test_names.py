"""Names that policies refer to for good."""

import re

import pytest
from cedarpy import PolicySet, is_authorized
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.target import Kind
from doorward.policy.names import action_id, literal, namespace

servers = st.from_regex(r"[a-z0-9-]{1,16}", fullmatch=True) | st.sampled_from(
    ["in", "-in", "--cedar", "1", "-1"]
)


@given(servers, servers)
def test_namespaces_are_identifiers_and_never_meet(one: str, other: str) -> None:
    assert re.fullmatch(r"Doorward::[A-Za-z_][A-Za-z0-9_]*", namespace(one))
    assert (namespace(one) == namespace(other)) is (one == other)


@given(servers)
def test_cedar_takes_every_namespace(server: str) -> None:
    assert (
        len(PolicySet.from_str(f'permit(principal, action == {namespace(server)}::Action::"x", resource);'))
        == 1
    )


@pytest.mark.parametrize(
    ("server", "space"),
    [("github", "Doorward::github"), ("my-srv", "Doorward::my_srv"), ("1a", "Doorward::N1a")],
)
def test_namespaces_stay_what_they_are(server: str, space: str) -> None:
    assert namespace(server) == space


actions = st.sampled_from(["read_resource", "get_prompt", "doorward:x", "x"]).flatmap(
    lambda name: st.sampled_from([name, f"tool:{name}", f"tool:tool:{name}"])
)


@given(actions, actions)
def test_actions_of_tools_never_meet(one: str, other: str) -> None:
    assert (action_id(Kind.TOOL, one) == action_id(Kind.TOOL, other)) is (one == other)
    assert action_id(Kind.TOOL, one) not in {"read_resource", "get_prompt"}
    assert not action_id(Kind.TOOL, one).startswith("doorward:")


def test_actions_stay_what_they_are() -> None:
    assert action_id(Kind.TOOL, "search") == "search"
    assert action_id(Kind.TOOL, "get_prompt") == "tool:get_prompt"
    assert action_id(Kind.PROMPT, "p") == "get_prompt"
    assert action_id(Kind.RESOURCE, "a:b") == action_id(Kind.TEMPLATE, "a:{b}") == "read_resource"


@given(st.text())
def test_literals_mean_their_text(text: str) -> None:
    policy = PolicySet.from_str(f"permit(principal, action, resource == A::{literal(text)});")
    request = {"principal": 'A::"p"', "action": 'Action::"a"', "resource": {"type": "A", "id": text}}
    assert is_authorized(request, policy, "[]").allowed


@given(
    st.text(alphabet=st.sampled_from('ab*"\\\n\u00fc?')), st.text(alphabet=st.sampled_from('ab*"\\\n\u00fc?'))
)
def test_a_literal_as_a_pattern_means_our_glob(pattern: str, text: str) -> None:
    ours = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
    policy = PolicySet.from_str(
        f"permit(principal, action, resource) when {{ context.x like {literal(pattern)} }};"
    )
    request = {"principal": 'A::"p"', "action": 'Action::"a"', "resource": 'A::"r"', "context": {"x": text}}
    assert is_authorized(request, policy, "[]").allowed is ours
