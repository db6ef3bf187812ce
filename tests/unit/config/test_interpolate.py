from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.config.document import compose
from doorward.config.errors import ConfigError
from doorward.config.interpolate import Interpolation
from doorward.config.load import load, parse

ENVIRON = {"SET": "value", "EMPTY": "", "TRICKY": "${env:SET} $${ }"}
SECRET = "s3cr3t-value"


def resolve(written: str) -> tuple[object, list[str]]:
    """The value of one quoted text, and its faults."""
    tree = compose(f"a: '{written}'")
    assert tree.root is not None
    interpolation = Interpolation(tree.lines, ENVIRON, lambda name: f"<{name}>\n")
    return interpolation.data(tree.root)["a"], [fault.message for fault in interpolation.faults]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${env:SET}", "value"),
        ("a${env:SET}b${env:SET}", "avaluebvalue"),
        ("${env:UNSET:-x}", "x"),
        ("${env:UNSET:-}", ""),
        ("${env:EMPTY:-x}", "x"),
        ("${env:SET:-x}", "value"),
        ("${env:UNSET:-a:b}", "a:b"),
        ("${env:EMPTY}", ""),
        ("${file:secrets/a}", "<secrets/a>"),
        ("$${env:SET}", "${env:SET}"),
        ("$$${env:SET}", "$${env:SET}"),
        ("$SET {x} $", "$SET {x} $"),
        ("${env:TRICKY}", "${env:SET} $${ }"),
    ],
)
def test_references_become_text(written: str, expected: str) -> None:
    assert resolve(written) == (expected, [])


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("${env:UNSET}", "environment variable UNSET is not set"),
        ("${env:}", "cannot be the name"),
        ("${env:A B}", "cannot be the name"),
        ("${secret:x}", "is no reference"),
        ("${SET}", "is no reference"),
        ("${}", "is no reference"),
        ("${file:}", "names no file"),
        ("${env:SET", "no closing brace"),
        ("${env:A:-${env:SET}}", "do not nest"),
    ],
)
def test_what_cannot_be_resolved_is_a_fault_and_never_an_empty_text(written: str, words: str) -> None:
    found, faults = resolve(written)
    assert found is None
    assert len(faults) == 1
    assert words in faults[0]


def test_what_is_interpolated_stays_text() -> None:
    with pytest.raises(ConfigError, match="expected true or false, this is text"):
        parse(
            "version: 1\nservers: {a: {command: [x], shared: '${env:B}'}}",
            environ={"B": "true"},
            read=_no_file,
        )


def test_a_file_is_read_beside_the_document_and_watched(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\r\n")
    config = tmp_path / "doorward.yaml"
    config.write_text(
        "version: 1\nservers: {a: {url: 'https://a.example', auth: {bearer: '${file:token}'}}}\n"
    )
    loaded = load(config, {})
    auth = loaded.settings.servers["a"].auth
    assert auth is not None
    assert auth.bearer is not None
    assert auth.bearer.reveal() == SECRET
    assert loaded.files == (config, tmp_path / "token")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70000, b"a\x00b"])
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    config = tmp_path / "doorward.yaml"
    config.write_text("version: 1\nservers: {a: {command: ['${file:token}']}}\n")
    with pytest.raises(ConfigError, match="token"):
        load(config, {})


@given(
    st.sampled_from(
        [
            "servers: {a: {command: [x], timeout: '${env:S}'}}",
            "servers: {a: {url: '${env:S}'}}",
            "servers: {a: {command: [x], mode: '${env:S}'}}",
            "servers: {a: {command: [x], tools: {'*': {class: '${env:S}'}}}}",
            "gateway: {listen: '${env:S}'}",
            "gateway: {public_url: '${env:S}', allowed_origins: ['${env:S}']}",
            "auth: '${env:S}'",
            "mode: '${env:S}'",
            "agents: {a: {servers: ['${env:S}'], when: {arguments.a: {at_least: '${env:S}'}}}}",
            "agents: '${env:S}'",
            "servers: {a: {url: 'https://a.example', auth: {headers: {X: '${env:S}\u00e9'}}}}",
        ]
    ),
    st.sampled_from(["", "?", "[", " ", "/", "@", "\n", "\u00e9"]),
)
def test_no_error_shows_what_was_interpolated(section: str, odd: str) -> None:
    environ = {"S": f"{SECRET}{odd}"}
    with pytest.raises(ConfigError) as refused:
        parse(f"version: 1\n{section}\n", environ=environ, read=_no_file)
    assert SECRET not in refused.value.render()
    assert all(SECRET not in str(problem.as_json()) for problem in refused.value.problems)


def _no_file(name: str) -> str:
    raise AssertionError(name)
