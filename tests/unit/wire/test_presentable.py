"""What a client would act on by itself is taken out; everything else is the server's own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.presentable import SIGNATURE, can_be_shown, presentable

HTTPS = {"src": "https://example.com/a.png", "sizes": ["48x48"]}
DATA = {"src": "data:image/png;base64,AAAA"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.spec("DW-313")
@pytest.mark.parametrize(
    "source",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://example.com/a",
        "ws://example.com/a",
        "http://169.254.169.254/latest",
        "data:text/html,<script>",
        "vscode://open",
        "//example.com/a.png",
        "https://example.com/\n",
        "",
        7,
        None,
    ],
)
def test_an_icon_that_is_no_picture_from_the_web_goes(source: Any) -> None:
    assert presentable({"name": "a", "icons": [HTTPS, {"src": source}, DATA]})["icons"] == [HTTPS, DATA]
    assert presentable({"name": "a", "icons": [{"src": source}]}) == {"name": "a"}


@pytest.mark.spec("DW-313")
@pytest.mark.parametrize("icons", [None, "https://a", {"src": "https://a"}, 1, ["https://a"], [[HTTPS]]])
def test_icons_of_another_form_are_none(icons: Any) -> None:
    assert presentable({"name": "a", "icons": icons}) == {"name": "a"}


@pytest.mark.spec("DW-147")
def test_a_server_does_not_sign_as_we_do() -> None:
    said = {"name": "a", "_meta": {"dev.doorward/denial": {}, "theirs": 1.50}}

    assert presentable(said) == {"name": "a", "_meta": {"theirs": 1.50}}
    assert "dev.doorward/denial" in said["_meta"]


@pytest.mark.spec("DW-313")
@pytest.mark.parametrize(
    "said", [{}, {"name": "a", "icons": [HTTPS, DATA]}, {"_meta": {"ui": {}}}, {"_meta": 7}]
)
def test_what_is_fine_is_the_very_same(said: dict[str, Any]) -> None:
    assert presentable(said) is said


@pytest.mark.spec("DW-314")
@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2J", "a\x7f", "a\x85", "a\u202eb", "a\u200bb", "\ufeffa", "a\u2028", "a\0"]
)
def test_a_name_that_hides_something_cannot_be_shown(name: str) -> None:
    assert not can_be_shown(name)


@pytest.mark.spec("DW-314")
@pytest.mark.parametrize(
    "name", ["read_file", "größe", "ファイル", "a b", "file:///{+p}", "🗂", "\U0001fae9", "\ue000"]
)
def test_a_name_in_any_script_can(name: str) -> None:
    assert can_be_shown(name)


@pytest.mark.spec("DW-313")
@given(st.dictionaries(st.sampled_from(["icons", "_meta", "x"]) | st.text(), JSON | st.lists(st.just(HTTPS))))
def test_nothing_breaks_it_and_twice_is_once(said: dict[str, Any]) -> None:
    shown = presentable(said)

    assert presentable(shown) is shown
    assert {k: v for k, v in shown.items() if k not in ("icons", "_meta")} == {
        k: v for k, v in said.items() if k not in ("icons", "_meta")
    }
    meta = shown.get("_meta")
    assert not isinstance(meta, dict) or not any(key.startswith(SIGNATURE) for key in meta)
