"""URIs that a model is asked about at the aggregate endpoint, and those in its answer."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire import relocate, relocate_asked

pytestmark = pytest.mark.spec("DW-331")

LINK = {"type": "resource_link", "uri": "file:///a", "name": "a"}
EMBEDDED = {"type": "resource", "resource": {"uri": "ui://card", "text": "t"}}
TEXT = {"type": "text", "text": "file:///a"}
SAMPLING = "sampling/createMessage"
TOOLS = ("tools/call", "prompts/get", "resources/read")


def result_of_tool(*blocks: Any) -> dict[str, Any]:
    return {"type": "tool_result", "toolUseId": "u", "content": list(blocks)}


def renamed(server: str = "docs") -> list[dict[str, Any]]:
    link = LINK | {"uri": f"{server}+file:///a"}
    return [link, {"type": "resource", "resource": {"uri": f"ui://{server}/card", "text": "t"}}, TEXT]


def params(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], "maxTokens": 5}


def exposed(raw: bytes, method: str = "tools/call") -> bytes:
    assert relocate.may_hold(method, raw)
    steps = relocate.steps("docs", method, raw)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            said: bytes = done.value
            return said


def asking(method: str, given: Any) -> bytes:
    asked = {"q": {"method": method, "params": given}}
    return msgspec.json.encode({"resultType": "input_required", "inputRequests": asked, "requestState": "s"})


@pytest.mark.parametrize("method", TOOLS)
@pytest.mark.parametrize("several", [True, False])
def test_a_model_is_asked_in_the_names_of_the_aggregate(method: str, several: bool) -> None:
    block = result_of_tool(LINK, EMBEDDED, TEXT)
    said = json.loads(exposed(asking(SAMPLING, params([block] if several else block)), method))
    [message] = said["inputRequests"]["q"]["params"]["messages"]
    found = message["content"][0] if several else message["content"]
    assert found["content"] == renamed()
    assert said["requestState"] == "s"
    assert said["inputRequests"]["q"]["params"]["maxTokens"] == 5


def test_everything_else_keeps_its_bytes() -> None:
    raw = (
        b'{"resultType":"input_required","inputRequests":{"q":{"method":"sampling/createMessage","params":'
        b'{"temperature":1.50,"big":12345678901234567890123,"messages":[{"role":"user","content":'
        b'[{"type":"tool_result","toolUseId":"u","structuredContent":{"n":1e400},"content":'
        b'[{"type":"resource_link","uri":"file:///a","size":10.0}]}]}]}}}}'
    )
    assert exposed(raw) == raw.replace(b"file:///a", b"docs+file:///a")


@pytest.mark.parametrize(
    "raw",
    [
        asking("elicitation/create", {"mode": "url", "url": "https://a.example", "message": "file:///a"}),
        asking("roots/list", {}),
        asking("elicitation/create", params(result_of_tool(LINK))),
        asking(SAMPLING, params(TEXT)),
        asking(SAMPLING, params([TEXT, {"type": "tool_use", "id": "u", "name": "n", "input": LINK}])),
        asking(SAMPLING, params(result_of_tool(TEXT))),
        asking(SAMPLING, {"messages": [7, None]}),
        asking(SAMPLING, {"messages": {}}),
        asking(SAMPLING, params(result_of_tool(7))),
        asking(SAMPLING, params({"type": "tool_result", "content": {}})),
        asking(SAMPLING, None),
        b'{"inputRequests":[]}',
        b'{"inputRequests":{"q":7}}',
        b'{"inputRequests":null}',
    ],
)
def test_what_holds_none_is_the_very_same(raw: bytes) -> None:
    assert exposed(raw) is raw


def test_a_long_conversation_is_done_in_steps() -> None:
    blocks = [result_of_tool(*[LINK] * 200)] * 50
    steps = relocate.steps("docs", "tools/call", asking(SAMPLING, params(blocks)))
    assert sum(1 for _ in steps) >= 50 * 3


def test_a_servers_own_request_likewise_and_it_is_not_changed_itself() -> None:
    given = params([result_of_tool(LINK, EMBEDDED, TEXT), TEXT])
    before = json.dumps(given)
    asked = relocate_asked.question("docs", SAMPLING, given)
    assert asked["messages"][0]["content"] == [result_of_tool(*renamed()), TEXT]
    assert json.dumps(given) == before
    assert relocate_asked.question("docs", "roots/list", given) is given
    assert relocate_asked.question("docs", SAMPLING, {"messages": 7}) == {"messages": 7}


def test_an_answer_goes_back_in_the_servers_own_names_and_leaves_those_of_others() -> None:
    theirs = LINK | {"uri": "other+file:///a"}
    said = {"role": "assistant", "model": "m", "content": [result_of_tool(*renamed(), theirs, LINK)]}
    assert relocate_asked.answer("docs", said) == said | {
        "content": [result_of_tool(LINK, EMBEDDED, TEXT, theirs, LINK)]
    }
    assert relocate_asked.answers("docs", {"q": said, "r": 7})["q"] == relocate_asked.answer("docs", said)
    assert relocate_asked.answers("docs", [said]) == [said]


@pytest.mark.parametrize(
    "result",
    [{}, {"roots": [{"uri": "docs+file:///a"}]}, {"action": "accept", "content": {"uri": "docs+x:y"}}],
)
def test_other_answers_stay(result: dict[str, Any]) -> None:
    assert relocate_asked.answer("docs", result) == result


URIS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["ui://a", "ui://", "docs+x", "docs+ui://a", "x.1+a", "", "other+file:///a"]
)


@given(st.sampled_from(["docs", "1st", "a"]), URIS)
def test_what_was_asked_comes_back_as_it_was(server: str, uri: str) -> None:
    asked = relocate_asked.question(server, SAMPLING, params([result_of_tool(LINK | {"uri": uri})]))
    [message] = asked["messages"]
    back = relocate_asked.answer(server, message)
    assert back["content"][0]["content"][0]["uri"] == uri
