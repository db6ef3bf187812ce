"""`audit:` in a document: what may stand there, and what is said of what may not."""

import pytest

from doorward.config.audit import Audit, Disk
from doorward.config.errors import ConfigError
from doorward.config.load import parse

HEAD = 'version: 1\ngateway: {listen: "127.0.0.1:0"}\nauth: {keys: true}\nagents: {}\n'


def audit_of(text: str) -> Audit:
    return parse(f"{HEAD}servers: {{}}\naudit: {text}\n", environ={}).settings.audit


def test_what_is_not_said_is_as_documented() -> None:
    assert parse(f"{HEAD}servers: {{}}\n", environ={}).settings.audit == Audit()
    usual = Audit()
    assert (usual.anchor, usual.strict) == (None, "writes")
    assert usual.disk == Disk(strict_at=90, refuse_writes_at=98, refuse_all_at=99)


@pytest.mark.parametrize("strict", ["writes", "all", "none"])
def test_which_calls_wait_can_be_said_for_all_and_for_one_server(strict: str) -> None:
    servers = (
        f"servers:\n  bank: {{url: 'http://127.0.0.1:1/mcp', audit: {{strict: {strict}}}}}\n"
        "  other: {url: 'http://127.0.0.1:2/mcp'}\n"
    )
    settings = parse(f"{HEAD}{servers}audit: {{strict: {strict}}}\n", environ={}).settings
    assert settings.audit.strict == strict
    bank, other = settings.servers["bank"].audit, settings.servers["other"].audit
    assert bank is not None
    assert (bank.strict, other) == (strict, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{strict: sometimes}", "6:17: expected writes, all or none"),
        ("{disk: {strict_at: 0}}", "6:27: this must be more than 0"),
        ("{disk: {strict_at: 101}}", "6:27: this must be at most 100"),
        ("{disk: {refuse_writes_at: 80}}", "grow in this order"),
        ("{disk: {refuse_all_at: 97}}", "grow in this order"),
        ("{anchro: /mnt/anchor}", "anchro"),
        ("[]", "audit"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        audit_of(text)
    shown = raised.value.render()
    assert said in shown
    assert "doorward.yaml:6:" in shown


def test_limits_may_be_equal() -> None:
    assert audit_of("{disk: {strict_at: 97, refuse_writes_at: 97, refuse_all_at: 97}}").disk.strict_at == 97
