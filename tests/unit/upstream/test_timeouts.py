"""Which timeouts bound a call."""

import math

from doorward.model.target import Kind, OperationClass, Target
from doorward.upstream import timeouts
from doorward.upstream.settings import ServerSettings
from doorward.upstream.timeouts import Clockwork, Due, Timeouts, ToolTimeouts, timeouts_of

USUAL = Timeouts(total_s=60.0)
QUICK = Timeouts(total_s=2.0, first_byte_s=1.0)
SLOW = Timeouts(total_s=600.0)
RULES = (ToolTimeouts("get_slow_*", None), ToolTimeouts("get_*", QUICK), ToolTimeouts("export", SLOW))


def tool(name: str, kind: Kind = Kind.TOOL) -> Target:
    return Target("lab", kind, name, OperationClass.READ)


def test_the_first_entry_that_names_a_tool_counts_even_when_it_says_nothing() -> None:
    clockwork = Clockwork(USUAL, RULES)
    assert clockwork.of(tool("get_time")) is QUICK
    assert clockwork.of(tool("get_time")) is QUICK
    assert clockwork.of(tool("get_slow_report")) is USUAL
    assert clockwork.of(tool("export")) is SLOW
    assert clockwork.of(tool("other")) is USUAL


def test_globs_name_tools_and_nothing_else() -> None:
    assert Clockwork(USUAL, RULES).of(tool("export", Kind.PROMPT)) is USUAL


def test_a_deadline_is_a_number_that_brings_its_tool_s_limits() -> None:
    clockwork = Clockwork(USUAL, RULES)
    due = clockwork.due(tool("get_time"), 100.0)
    assert isinstance(due, Due)
    assert due == 102.0
    assert due < 103.0
    assert timeouts_of(due, USUAL) is QUICK
    plain = clockwork.due(tool("other"), 100.0)
    assert plain == 160.0
    assert timeouts_of(plain, USUAL) is USUAL
    assert timeouts_of(math.inf, USUAL) is USUAL


def test_what_is_remembered_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(timeouts, "MOST_NAMES", 3)
    clockwork = Clockwork(USUAL, RULES)
    for number in range(10):
        assert clockwork.of(tool(f"get_{number}")) is QUICK
        assert len(clockwork._known) <= 3


def test_settings_say_the_server_s_own() -> None:
    settings = ServerSettings(name="a", url="http://a/", timeout_s=9.0, connect_s=1.0, idle_s=3.0)
    assert settings.timeouts == Timeouts(connect_s=1.0, idle_s=3.0, total_s=9.0)
