"""A result that asks for input, taken apart and put together again."""

import json
from typing import Any

import pytest

from doorward.wire.asking import Question
from doorward.wire.errors import WireError
from doorward.wire.input_required import MAX_ASKED, MAX_REQUESTS, kind_of, read

pytestmark = pytest.mark.spec("DW-247")

FORM = {"method": "elicitation/create", "params": {"message": "who?"}}


def raw(**members: Any) -> bytes:
    return json.dumps({"resultType": "input_required", **members}).encode()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b'{"content":[]}', "complete"),
        (b'{"resultType":"complete"}', "complete"),
        (b'{"resultType":"input\\u005frequired"}', "input_required"),
        (b'{"resultType":"task"}', "task"),
    ],
)
def test_the_kind_of_a_result(text: bytes, kind: str) -> None:
    assert kind_of(text) == kind


@pytest.mark.parametrize("text", [b'{"resultType":1}', b"[]", b"nonsense"])
def test_a_kind_that_is_no_text(text: bytes) -> None:
    with pytest.raises(WireError):
        kind_of(text)


def test_questions_and_state_are_read_and_the_rest_is_kept() -> None:
    found = read(
        raw(inputRequests={"a": FORM, "b": {"method": "roots/list"}}, requestState="s", _meta={"x": 1})
    )
    assert found.questions == (
        Question("elicitation/create", {}),
        Question("roots/list", {}),
    )
    assert found.state == "s"
    said = json.loads(found.with_state("ours"))
    assert said == {
        "resultType": "input_required",
        "inputRequests": {"a": FORM, "b": {"method": "roots/list"}},
        "requestState": "ours",
        "_meta": {"x": 1},
    }


@pytest.mark.parametrize(
    ("params", "needs"),
    [
        ({"mode": "url", "url": "https://a.example"}, {"elicitation": {"url": {}}}),
        ({"mode": "form"}, {"elicitation": {"form": {}}}),
        ({"mode": 7}, {"elicitation": {"form": {}}}),
        ({}, {"elicitation": {"form": {}}}),
    ],
)
def test_what_an_elicitation_needs_is_known(params: dict[str, Any], needs: dict[str, Any]) -> None:
    [question] = read(raw(inputRequests={"a": {"method": "elicitation/create", "params": params}})).questions
    assert question.needs == needs


@pytest.mark.parametrize("name", ["tools", "toolChoice"])
def test_what_a_sampling_needs_is_known(name: str) -> None:
    asked = {"a": {"method": "sampling/createMessage", "params": {name: [], "messages": []}}}
    [question] = read(raw(inputRequests=asked)).questions
    assert question.needs == {"sampling": {"tools": {}}}


def test_pictures_may_be_asked_about_and_there_is_an_end_to_it() -> None:
    def asked(size: int) -> bytes:
        message = {"role": "user", "content": {"type": "image", "data": "A" * size, "mimeType": "image/png"}}
        params = {"messages": [message], "maxTokens": 1}
        return raw(inputRequests={"a": {"method": "sampling/createMessage", "params": params}})

    assert read(asked(1_000_000)).questions[0].needs == {"sampling": {}}
    with pytest.raises(WireError, match="bytes of things at once"):
        read(asked(MAX_ASKED))


def test_numbers_in_what_is_asked_keep_their_spelling() -> None:
    text = (
        b'{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list","params":{"n":1.50}}},'
    )
    assert b'"n":1.50' in read(text + b'"requestState":"s"}').with_state("ours")


def test_a_state_alone_is_enough() -> None:
    assert read(raw(requestState="s")).questions == ()
    assert read(raw(inputRequests={"a": FORM})).state is None


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"inputRequests": {}},
        {"inputRequests": []},
        {"inputRequests": {"a": {}}},
        {"inputRequests": {"a": {"method": 1}}},
        {"inputRequests": {"a": {"method": "roots/list", "params": []}}},
        {"requestState": 1},
        {"requestState": None, "inputRequests": {"a": FORM}},
        {"inputRequests": {str(n): FORM for n in range(MAX_REQUESTS + 1)}},
    ],
)
def test_what_asks_for_nothing_or_too_much(members: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        read(raw(**members))
