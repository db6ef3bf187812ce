"""Whose conversation is which."""

from typing import Any

import pytest

from doorward.upstream import keys

ANNA = "default|anna|ci-bot"
FORMS: dict[str, Any] = {"elicitation": {"form": {}}}


def test_who_cannot_be_asked_has_one_conversation() -> None:
    assert keys.of_caller(ANNA, {}) == ANNA
    assert keys.declared_in(ANNA) == {}


def test_what_can_be_asked_is_in_the_key() -> None:
    asked = {"sampling": {"tools": {}}, **FORMS, "roots": {}}
    key = keys.of_caller(ANNA, asked)
    assert keys.declared_in(key) == asked
    assert key != ANNA


def test_the_order_and_the_rest_of_what_is_said_make_no_difference() -> None:
    one = keys.of_caller(ANNA, {"roots": {}, "elicitation": {"url": {"x": 1}, "form": {}}})
    other = keys.of_caller(ANNA, {"elicitation": {"form": {"y": [2]}, "url": {}}, "roots": {}})
    assert one == other
    assert keys.declared_in(one) == {"elicitation": {"form": {}, "url": {}}, "roots": {}}


def test_callers_are_strangers_whatever_they_declare() -> None:
    everybody = {
        keys.of_caller(owner, asked)
        for owner in (ANNA, "default|otto|ci-bot")
        for asked in ({}, FORMS, {"elicitation": {}}, {"roots": {}})
    }
    assert len(everybody) == 8


@pytest.mark.parametrize("key", ["session-id", "{not a key", "a|{}\nb|c", ""])
def test_any_other_key_says_nothing(key: str) -> None:
    assert keys.declared_in(key) == {}
