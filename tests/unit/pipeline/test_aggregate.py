"""A reply through the aggregate: renamed before anybody inspects it, or as it came."""

import msgspec
import pytest

from doorward.model.call import Outcome, Reply, RpcError
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.model.verdict import Facts, Permit
from doorward.pipeline.aggregate import Aggregate
from doorward.wire.relocate import MAX_BLOCKS
from tests.playbook.house import BOT, House
from tests.unit.catalog.build import call

pytestmark = pytest.mark.asyncio
LINK = b'{"content":[{"type":"resource_link","uri":"doc://rates"}]}'


def permit(method: str, target: Target) -> Permit:
    policy = House().offer.policy
    allowed = policy.decide(BOT, target, {})
    made = policy.conclude(call(method, {}, None), BOT, target, allowed, Facts(), "d1")
    assert isinstance(made, Permit)
    return made


TARGETS = {
    "tools/call": Target("bank", Kind.TOOL, "balance", OperationClass.READ),
    "completion/complete": Target("bank", Kind.PROMPT, "greet", OperationClass.READ),
    "resources/read": Target("bank", Kind.RESOURCE, "doc://rates", OperationClass.READ),
}


async def through(method: str, reply: Reply) -> Reply:
    """As the spine does it."""
    aggregate, given = Aggregate(), permit(method, TARGETS[method])
    return await aggregate.exposed(given, reply) if aggregate.concerns(given, reply) else reply


async def test_a_reply_without_uris_is_the_very_same() -> None:
    for method, result in (
        ("tools/call", b'{"content":[{"type":"text","text":"x"}]}'),
        ("tools/call", b'{"content":[{"type":"text","text":"\\u0061"}]}'),
        ("completion/complete", LINK),
        ("resources/read", b'{"contents":[]}'),
    ):
        reply = Reply(result, None, Outcome.OK, 0.5)
        assert await through(method, reply) is reply


async def test_a_uri_is_renamed_and_the_rest_of_the_reply_kept() -> None:
    said = await through("tools/call", Reply(LINK, None, Outcome.OK, 0.5))

    assert said == Reply(LINK.replace(b"doc:", b"bank+doc:"), None, Outcome.OK, 0.5)


@pytest.mark.spec("DW-331")
async def test_an_error_names_the_resource_as_the_caller_did() -> None:
    error = RpcError(-32002, "not found", {"uri": "doc://rates"})

    said = await through("resources/read", Reply(None, error, Outcome.INVALID_ARGUMENTS, 0.5))
    without = await through("resources/read", Reply(None, RpcError(1, "x"), Outcome.PROTOCOL_ERROR))

    renamed = msgspec.structs.replace(error, data={"uri": "bank+doc://rates"})
    assert said == Reply(None, renamed, Outcome.INVALID_ARGUMENTS, 0.5)
    assert without.error == RpcError(1, "x")


async def test_what_the_gateway_says_itself_is_left_alone() -> None:
    own = Target("", Kind.GATEWAY, "tools/list", OperationClass.READ)

    for reply in (
        Reply(LINK, None, Outcome.OK),
        Reply(None, RpcError(-32002, "not found", {"uri": "doc://rates"}), Outcome.INVALID_ARGUMENTS),
    ):
        assert not Aggregate.concerns(permit("tools/call", own), reply)


async def test_a_result_of_too_many_parts_is_an_error_that_names_the_server() -> None:
    result = b'{"contents":[%b]}' % b",".join([b"{}"] * (MAX_BLOCKS + 1))

    with pytest.raises(UpstreamError) as caught:
        await through("resources/read", Reply(result, None, Outcome.OK))

    assert (caught.value.reason, caught.value.server) == (Reason.UPSTREAM_PROTOCOL_ERROR, "bank")
