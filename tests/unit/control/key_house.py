"""A store, a ring, a configuration and operators for the tests of keys."""

from pathlib import Path

from msgspec.structs import replace

from doorward.backends.memory.store import MemoryStore
from doorward.config.load import parse
from doorward.config.policy import policy_spec
from doorward.control.key_rules import Configured
from doorward.control.keys import CreatedKey, Wanted, create_key
from doorward.control.roles import Operator, Role
from doorward.ports.store import OperatorRecord

NOW = 1_790_000_000.0
DAY = 86400.0
ANNA = Operator("op_AAAAAAAAAAAA", "anna", Role.OWNER, "cli")
BEA = Operator("op_BBBBBBBBBBBB", "bea", Role.OPERATOR, "cli")
TEXT = """\
version: 1
servers:
  git: {command: [x]}
  git-hub: {command: [x]}
  crm: {command: [x]}
  docs: {command: [x]}
agents:
  ci:
    rate: 100/min
    servers: ["git*"]
    tools:
      allow: ["get_*", list_issues]
      deny: [get_secret]
    grants:
      - servers: [docs]
        tools: {allow: ["*"]}
        resources: {allow: ["doc://*"]}
  dev-1: {servers: ["*"], tools: {allow: ["*"]}}
  idle: {}
people: []
"""


def configured(text: str = TEXT) -> Configured:
    loaded = parse(text, path=Path("doorward.yaml"), environ={})
    return Configured(policy_spec(loaded).agents, tuple(loaded.settings.servers))


class Ring:
    """Has one pepper."""

    def current(self, purpose: str) -> tuple[int, bytes]:
        assert purpose == "pepper"
        return 4, b"p" * 32

    def version(self, purpose: str, number: int) -> bytes:
        assert (purpose, number) == ("pepper", 4)
        return b"p" * 32


def made(
    store: MemoryStore, wanted: Wanted, by: Operator = ANNA, *, now: float = NOW, text: str = TEXT
) -> CreatedKey:
    return create_key(store, Ring(), configured(text), wanted, by=by, now=now)


def record_of(operator: Operator) -> OperatorRecord:
    """The operator as the store has it."""
    return OperatorRecord(
        id=operator.id,
        name=operator.name,
        role=operator.role,
        digest=b"",
        pepper_version=4,
        created_at=NOW,
        created_by="anna",
        agents=operator.agents,
        servers=operator.servers,
        expires_at=operator.expires_at,
    )


def limited(operator: Operator = BEA, **limits: object) -> Operator:
    return replace(operator, **limits)
