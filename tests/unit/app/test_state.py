"""Where state lies, and that a lost key ring is noticed."""

import time
from pathlib import Path

import pytest

from doorward.app.state import open_ring, paths
from doorward.backends.memory.store import MemoryStore
from doorward.config.load import parse
from doorward.control import keys
from doorward.control.key_rules import Configured
from doorward.control.roles import Operator, Role
from doorward.model.errors import GatewayError
from doorward.model.grants import AgentRules
from doorward.model.reasons import Reason


def test_everything_lies_below_the_state_directory(tmp_path: Path) -> None:
    loaded = parse("version: 1\ngateway: {state: here}\n", path=tmp_path / "doorward.yaml", environ={})
    where = paths(loaded.settings)
    assert {where.database.parent, where.ring.parent, where.audit.parent, where.lock.parent} == {
        tmp_path / "here"
    }


def test_the_ring_may_lie_elsewhere(tmp_path: Path) -> None:
    text = "version: 1\ngateway: {state: here, secrets: ring.json}\n"
    where = paths(parse(text, path=tmp_path / "doorward.yaml", environ={}).settings)
    assert where.ring == tmp_path / "ring.json"


def test_a_lost_ring_is_an_error_once_there_are_keys(tmp_path: Path) -> None:
    where = paths(parse("version: 1\n", path=tmp_path / "doorward.yaml", environ={}).settings)
    store = MemoryStore()
    ring = open_ring(where, store)
    anna = Operator("", "anna", Role.OWNER, "cli")
    configured = Configured({"a": AgentRules("a", ())}, ())
    keys.create_key(store, ring, configured, keys.Wanted(agent="a"), by=anna, now=time.time())
    open_ring(where, store)

    where.ring.unlink()
    with pytest.raises(GatewayError) as error:
        open_ring(where, store)
    assert error.value.reason is Reason.STORE_UNAVAILABLE
    assert "restore it" in error.value.message
