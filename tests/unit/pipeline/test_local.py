"""What we keep of what servers say they can do, and what we answer ourselves."""

from typing import Any

import msgspec
import pytest

from doorward.backends.memory.sessions import MemorySessions
from doorward.catalog.route import OWN_METHODS
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Facts
from doorward.pipeline.local import APPS, Local, apps, kept_capabilities
from tests.playbook.house import BOT, House
from tests.unit.catalog.build import call


@pytest.mark.spec("DW-055")
@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ({}, {}),
        ({"tools": {}}, {"tools": {"listChanged": True}}),
        (
            {
                "tools": {"listChanged": False},
                "logging": {"x": 1},
                "completions": {},
                "experimental": {"y": 1},
            },
            {"tools": {"listChanged": True}, "logging": {}, "completions": {}},
        ),
        ({"resources": {"subscribe": True}}, {"resources": {"listChanged": True, "subscribe": True}}),
        ({"resources": {"subscribe": "yes"}}, {"resources": {"listChanged": True}}),
        ({"tasks": {}, "prompts": {}}, {"prompts": {"listChanged": True}}),
    ],
)
def test_capabilities(offered: dict[str, Any], kept: dict[str, Any]) -> None:
    assert kept_capabilities(offered) == kept


@pytest.mark.spec("DW-055")
@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        ({"extensions": {APPS: {"x": 1}, "other/thing": {}}}, {"extensions": {APPS: {"x": 1}}}),
        ({"extensions": {"other/thing": {}}}, {}),
        ({"extensions": {APPS: True}}, {}),
        ({"tools": {}}, {}),
    ],
)
def test_apps_are_the_extension_that_passes(offered: dict[str, Any], kept: dict[str, Any]) -> None:
    assert apps(offered) == kept


async def answer(method: str, params: dict[str, Any]) -> bytes | None:
    house = House()
    asked = msgspec.structs.replace(call(method, params, "bank"), client={}, capabilities={})
    target = Target("", Kind.GATEWAY, method, OperationClass.READ)
    allowed = house.offer.policy.decide(BOT, target, {})
    permit = house.offer.policy.conclude(asked, BOT, target, allowed, Facts(), "d1")
    reply = await Local(house.offer, MemorySessions(), {"name": "doorward"}, house.listens).send(permit)
    return reply.result


@pytest.mark.spec("DW-056", "DW-089")
@pytest.mark.asyncio
@pytest.mark.parametrize("method", sorted(OWN_METHODS - {"logging/setLevel", "subscriptions/listen"}))
async def test_everything_that_is_routed_here_is_answered(method: str) -> None:
    assert isinstance(msgspec.json.decode(await answer(method, {}) or b""), dict)


@pytest.mark.spec("DW-056")
@pytest.mark.asyncio
async def test_what_is_not_ours_is_no_ping() -> None:
    with pytest.raises(CallerError) as caught:
        await answer("tasks/list", {})
    assert caught.value.reason is Reason.METHOD_NOT_FOUND


@pytest.mark.spec("DW-057")
@pytest.mark.asyncio
async def test_a_log_level_needs_a_session() -> None:
    with pytest.raises(CallerError) as caught:
        await answer("logging/setLevel", {"level": "info"})
    assert caught.value.reason is Reason.INVALID_PARAMS
