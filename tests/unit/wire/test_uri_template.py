import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.wire.uri_template import MAX_EXPRESSIONS, MAX_LENGTH, matches


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("a:b", "a:b"),
        ("test://template/{id}/data", "test://template/123/data"),
        ("test://template/{id}/data", "test://template/a%20b@c;d=e/data"),
        ("{a}{b}", "xy"),
        ("{a},{b}", "x,y"),
        ("x/{a,b}", "x/1"),
        ("x/{a,b}", "x/1,2"),
        ("file:///{+path}", "file:///a/b/c.txt?d#e"),
        ("a{#frag}", "a#x/y"),
        ("a{.ext}", "a.txt"),
        ("a{.x,y}", "a.b.c"),
        ("a{/x,y}", "a/1"),
        ("a{/x,y}/z", "a/1/2/z"),
        ("a{;x,y}", "a;x=1;y=2"),
        ("a{;x,y}", "a"),
        ("a{?q,lang}", "a?q=1&lang=de"),
        ("a{?q,lang}", "a?lang=de"),
        ("a{?q,lang}", "a?q="),
        ("a{?q,lang}", "a"),
        ("a?fixed=1{&x}", "a?fixed=1&x=2"),
        ("a?fixed=1{&x}", "a?fixed=1"),
        ("{a.b}", "x"),
    ],
)
def test_what_a_template_covers(template: str, uri: str) -> None:
    assert matches(template, uri)


@pytest.mark.parametrize(
    ("template", "uri"),
    [
        ("a:b", "a:B"),
        ("a:b", "a:bc"),
        ("a:b", ""),
        ("test://{id}/data", "test:///data"),
        ("test://{id}/data", "test://1/2/data"),
        ("test://{id}", "test://1?x=2"),
        ("test://{id}", "test://1#x"),
        ("test://{id}", "test://a b"),
        ("test://{id}", "test://é"),
        ("test://{id}", "test://a\nb"),
        ("x/{a,b}", "x/1,2,3"),
        ("x/{a,b}", "x/,"),
        ("file:///{+path}", "file:///"),
        ("file:///{+path}", "file:///a\\b"),
        ("a{/x,y}", "a/1/2/3"),
        ("a{/x}", "a"),
        ("a{#f}", "a"),
        ("a{?q,lang}", "a?lang=de&q=1"),
        ("a{?q,lang}", "a?other=1"),
        ("a{?q}", "a?q=1&q=2"),
        ("a{?q}", "a?q"),
        ("a?x=1{&y}", "a&y=1"),
        ("a{*x}", "a1"),
        ("a{x*}", "a1"),
        ("a{x:3}", "abc"),
        ("a{!x}", "ab"),
        ("a{}", "a"),
        ("a{x", "a1"),
        ("a}x{", "a}x{"),
        ("{x}{y", "1"),
        ("", "a"),
    ],
)
def test_what_it_does_not(template: str, uri: str) -> None:
    assert not matches(template, uri)


def test_bounds() -> None:
    assert matches("{a}" * MAX_EXPRESSIONS, "x" * MAX_EXPRESSIONS)
    assert not matches("{a}" * (MAX_EXPRESSIONS + 1), "x" * 40)
    assert matches("{a}", "x" * MAX_LENGTH)
    assert not matches("{a}", "x" * (MAX_LENGTH + 1))


@pytest.mark.timeout(20)
def test_no_pair_takes_long() -> None:
    assert not matches("{a}" * 16 + "!", "x" * MAX_LENGTH)
    assert not matches("{+a}/{+b}/{+c}/{+d}/{+e}/\n", "/" * MAX_LENGTH)


@given(st.lists(st.sampled_from(["{a}", "{+b}", "/", "x", "."]), max_size=7), st.text("x/.y?", max_size=12))
def test_it_agrees_with_a_backtracking_matcher(pieces: list[str], uri: str) -> None:
    classes = {"{a}": "[xy.]+", "{+b}": "[xy./?]+"}
    pattern = "".join(classes.get(piece, re.escape(piece)) for piece in pieces)
    assert matches("".join(pieces), uri) == (re.fullmatch(pattern, uri) is not None)


@given(st.text(max_size=30), st.text(max_size=30))
def test_anything_may_be_asked(template: str, uri: str) -> None:
    if not set("{}") & set(template):
        assert matches(template, uri) == (template == uri)
    else:
        assert not matches(template, uri) or uri.startswith(template[: template.index("{")])
