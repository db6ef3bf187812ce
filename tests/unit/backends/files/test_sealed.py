"""A ring under a passphrase: opened by it and nothing else, and with no byte changed."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.backends.files import sealed
from doorward.backends.files.sealed import COST, MAX_BYTES, WrongPassphrase, seal, unseal

WORDS = "correct horse battery"
CHEAP = (2**4, 8, 1)
DOCUMENT = b'{"keys": "secret"}'


def changed(content: bytes, **said: Any) -> bytes:
    export = json.loads(content)
    for name, value in said.items():
        place = export if name == "data" else export["head"]
        place[name] = value
    return json.dumps(export).encode()


def test_there_and_back() -> None:
    content = seal(DOCUMENT, WORDS)
    assert unseal(content, WORDS) == DOCUMENT
    head = json.loads(content)["head"]
    assert (head["n"], head["r"], head["p"]) == COST
    assert b"secret" not in content.replace(b"doorward-secrets", b"")
    assert seal(DOCUMENT, WORDS, CHEAP) != seal(DOCUMENT, WORDS, CHEAP)


@settings(max_examples=30)
@given(st.binary(max_size=200), st.text(min_size=12, max_size=40), st.text(max_size=40))
def test_by_its_passphrase_only(document: bytes, words: str, others: str) -> None:
    content = seal(document, words, CHEAP)
    assert unseal(content, words) == document
    if words != others:
        with pytest.raises(WrongPassphrase):
            unseal(content, others)


@settings(max_examples=50)
@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    content = bytearray(seal(DOCUMENT, WORDS, CHEAP))
    at = data.draw(st.integers(0, len(content) - 2))
    content[at] ^= data.draw(st.integers(1, 255))
    try:
        found = unseal(bytes(content), WORDS)
    except ValueError:
        return
    assert found == DOCUMENT  # white space, and nothing else


@pytest.mark.parametrize(
    "said",
    [
        {"n": 2**30},
        {"n": 2**20, "r": 64},
        {"p": 2**20},
        {"n": 0},
        {"n": 3},
        {"r": -1},
        {"p": 0},
        {"kdf": "argon2id"},
        {"cipher": "none"},
        {"format": "doorward-secrets-export/2"},
        {"salt": "?"},
        {"nonce": ""},
        {"nonce": base64.b64encode(b"0" * 16).decode()},
        {"more": 1},
        {"data": ""},
    ],
)
def test_parameters_of_somebody_else_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words differ
        unseal(changed(seal(DOCUMENT, WORDS, CHEAP), **said), WORDS)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b"x" * (MAX_BYTES + 1)])
def test_what_is_no_export(content: bytes) -> None:
    with pytest.raises(ValueError, match="the file is"):
        unseal(content, WORDS)


def test_short_passphrases() -> None:
    with pytest.raises(ValueError, match="12 characters"):
        seal(DOCUMENT, "a" * (sealed.SHORTEST - 1))
