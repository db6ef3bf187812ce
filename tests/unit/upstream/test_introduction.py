"""What a server says of itself is bounded: every conversation and every client gets it."""

import json
from typing import Any

import pytest

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.introduction import (
    MAX_DECLARED,
    MAX_INSTRUCTIONS,
    MAX_SAID,
    Introduction,
    read_discover,
    read_initialize,
)
from doorward.wire.meta import SERVER_INFO


def initialized(**said: Any) -> Introduction:
    return read_initialize("s", json.dumps({"protocolVersion": "2025-11-25"} | said).encode())


def discovered(**said: Any) -> Introduction | None:
    return read_discover("s", json.dumps({"supportedVersions": ["2026-07-28"]} | said).encode())


def test_both_eras_introduce_themselves() -> None:
    about = {"name": "x", "version": "1"}
    words: dict[str, Any] = {"capabilities": {"tools": {}}, "instructions": "Be kind."}

    old = initialized(serverInfo=about, **words)
    new = discovered(_meta={SERVER_INFO: about}, **words)

    assert old == Introduction("2025-11-25", {"tools": {}}, about, "Be kind.")
    assert new == Introduction("2026-07-28", {"tools": {}}, about, "Be kind.")


def test_a_megabyte_of_instructions_is_left_out_and_the_operator_learns_of_it() -> None:
    assert initialized(instructions="x" * MAX_INSTRUCTIONS).note is None
    said = initialized(instructions="x" * (1 << 20), capabilities={"tools": {}})

    assert (said.instructions, said.capabilities) == (None, {"tools": {}})
    assert said.note == f"left out what it says: instructions of more than {MAX_INSTRUCTIONS} characters"


def test_a_description_of_itself_is_left_out_when_it_is_too_large_and_loses_unsafe_icons() -> None:
    icons = [{"src": "javascript:x()"}, {"src": "https://a/b.png"}]

    assert initialized(serverInfo={"name": "x", "icons": icons}).server_info == {
        "name": "x",
        "icons": icons[1:],
    }
    large = initialized(serverInfo={"name": "x" * MAX_DECLARED})
    assert large.server_info == {}
    assert "of itself" in str(large.note)


@pytest.mark.parametrize("read", [initialized, discovered])
def test_capabilities_without_an_end_are_refused_by_name(read: Any) -> None:
    with pytest.raises(UpstreamError, match="server s declares capabilities of more than") as error:
        read(capabilities={"experimental": {str(n): {} for n in range(MAX_DECLARED)}})
    assert error.value.reason is Reason.UPSTREAM_PROTOCOL_ERROR


ODD = (None, 7, True, "tools", [], ["tools"], 1.5)


@pytest.mark.parametrize("odd", ODD)
def test_members_of_a_wrong_type_count_as_absent(odd: Any) -> None:
    said = initialized(capabilities=odd, serverInfo=odd, instructions=[odd])

    assert said == Introduction("2025-11-25", {}, {}, None)


@pytest.mark.parametrize("version", [*ODD, {}, "", "2026-07-28", "1999-01-01", "x" * 100_000])
def test_a_version_that_we_do_not_speak_is_refused_in_few_words(version: Any) -> None:
    with pytest.raises(UpstreamError) as error:
        read_initialize("s", json.dumps({"protocolVersion": version}).encode())
    assert len(error.value.message) < 200
    assert discovered(supportedVersions=version) is None
    assert discovered(supportedVersions=[version, {}, []]) is None or version == "2026-07-28"


@pytest.mark.parametrize("result", [b"[]", b"7", b"{", b"", b"[" * 5000, b" " * MAX_SAID + b"{}"])
def test_what_is_no_object_or_too_large_is_refused(result: bytes) -> None:
    for read in (read_initialize, read_discover):
        with pytest.raises(UpstreamError):
            read("s", result)
