"""Messages of a hostile server around its answer to one call, on every transport and in both eras: the caller
gets the answer that is its own, or an error that names the server; nobody else gets anything."""

import asyncio
import json
from typing import Any

import pytest

from doorward.model.call import Outcome, Reply
from doorward.model.errors import CallerError, DoorwardError, PolicyError, UpstreamError
from doorward.model.reasons import Reason
from tests.attack.hostile_server import Events
from tests.attack.players import FACES, ON_CHANNEL, YOURS, Piece, era_of, memory_stays, play, player

pytestmark = pytest.mark.asyncio
THEIRS = '"result":{"content":[{"type":"text","text":"not yours"}]}'
NEVER = pytest.mark.parametrize("face", FACES)


def said(message: dict[str, Any]) -> str:
    """A message as text, in which "$id" stands for the number itself."""
    return json.dumps({"jsonrpc": "2.0", **message}).replace('"$id"', "$id").replace('"$next"', "$next")


def note(method: str, **params: Any) -> str:
    return said({"method": method, "params": params})


def answer(**result: Any) -> str:
    return said({"id": "$id", "result": result})


def text_of(reply: Reply) -> str:
    text: str = json.loads(reply.result or b"")["content"][0]["text"]
    return text


IGNORED: dict[str, Piece] = {
    "another number": [(1, f'{{"jsonrpc":"2.0","id":$next,{THEIRS}}}'), (1, "")],
    "its own number as text": [(1, f'{{"jsonrpc":"2.0","id":"$id",{THEIRS}}}'), (1, "")],
    "a number of long ago": [(1, f'{{"jsonrpc":"2.0","id":1,{THEIRS}}}'), (1, "")],
    "a negative number": [(1, f'{{"jsonrpc":"2.0","id":-$id,{THEIRS}}}'), (1, "")],
    "errors of others": [(50, '{"jsonrpc":"2.0","id":$next,"error":{"code":-1,"message":"x"}}'), (1, "")],
    "a second answer": [(1, ""), (3, f'{{"jsonrpc":"2.0","id":$id,{THEIRS}}}')],
    "an error behind the answer": [(1, ""), (1, said({"id": "$id", "error": {"code": 1, "message": "x"}}))],
    "a cancellation of its own answer": [(1, note("notifications/cancelled", requestId="$id")), (1, "")],
    "a cancellation of another's": [(1, note("notifications/cancelled", requestId="$next")), (1, "")],
    "a cancellation of no id": [(1, note("notifications/cancelled", requestId=[])), (1, "")],
    "pings": [(2000, said({"id": "p$n", "method": "ping"})), (1, "")],
    "a ping of the call's own number": [(1, said({"id": "$id", "method": "ping"})), (1, "")],
    "requests that no client has": [
        (200, said({"id": "q$n", "method": "admin/shell", "params": {}})),
        (1, ""),
    ],
    "a request to list our tools": [(1, said({"id": "q", "method": "tools/list"})), (1, "")],
    "questions that it may not ask": [
        (500, said({"id": "q$n", "method": "elicitation/create", "params": {"message": "?"}})),
        (1, ""),
    ],
    "log messages nobody asked for": [
        (3000, note("notifications/message", level="alert", data="x" * 100)),
        (1, ""),
    ],
    "a log level that is none": [(1, note("notifications/message", level=["alert"], data="x")), (1, "")],
    "resources nobody subscribed to": [
        (2000, note("notifications/resources/updated", uri="file:///$n")),
        (1, ""),
    ],
    "resources of no name": [(1, note("notifications/resources/updated", uri={"a": 1})), (1, "")],
    "acknowledgements of no listen": [
        (1, note("notifications/subscriptions/acknowledged", notifications=[], _meta=[])),
        (1, note("notifications/subscriptions/acknowledged", notifications={})),
        (1, ""),
    ],
    "a handshake of its own": [(1, note("notifications/initialized")), (1, "")],
    "an elicitation that nobody began": [
        (9, note("notifications/elicitation/complete", elicitationId="x")),
        (1, ""),
    ],
    "methods that nobody has": [(2000, note("notifications/$n", a=1)), (1, "")],
}


@NEVER
async def test_the_call_has_its_own_answer_whatever_stands_around_it(face: str) -> None:
    async with memory_stays(60), player(face) as server:
        for name, piece in IGNORED.items():
            events = Events()
            async with asyncio.timeout(20):
                reply = await play(server, face, piece, events=events)
                assert (text_of(reply), reply.outcome) == ("yours", Outcome.OK), name
                assert text_of(await play(server, face, [(1, "")], agent="other")) == "yours", name
            assert events.got == [], name


BROKEN: dict[str, Piece] = {
    "no JSON": [(1, "{not json")],
    "a batch": [(1, f"[{YOURS}]")],
    "result and error": [(1, f'{{"jsonrpc":"2.0","id":$id,{THEIRS},"error":{{"code":1,"message":"x"}}}}')],
    "two ids": [(1, f'{{"jsonrpc":"2.0","id":$next,"id":$id,{THEIRS}}}')],
    "two results": [(1, f'{{"jsonrpc":"2.0","id":$id,{THEIRS},{THEIRS}}}')],
    "an escaped name": [(1, f'{{"jsonrpc":"2.0","\\u0069d":$id,{THEIRS}}}')],
    "a result that is no object": [(1, '{"jsonrpc":"2.0","id":$id,"result":[]}')],
    "an error without a code": [(1, '{"jsonrpc":"2.0","id":$id,"error":{"message":"x"}}')],
    "an error whose code is text": [(1, '{"jsonrpc":"2.0","id":$id,"error":{"code":"1","message":"x"}}')],
    "another JSON-RPC": [(1, f'{{"jsonrpc":"1.0","id":$id,{THEIRS}}}')],
    "an id that is a fraction": [(1, f'{{"jsonrpc":"2.0","id":$id.5,{THEIRS}}}')],
    "nesting without an end": [
        (1, '{"jsonrpc":"2.0","id":$id,"result":' + '{"a":' * 50_000 + "1" + "}" * 50_001)
    ],
}


@NEVER
async def test_what_is_no_message_ends_its_call_by_name_or_counts_as_noise(face: str) -> None:
    """A stream is about one call; on a channel nobody can say which call a broken message was about."""
    expected = Reason.UPSTREAM_TIMEOUT if face in ON_CHANNEL else Reason.UPSTREAM_PROTOCOL_ERROR
    async with player(face, timeout_s=1.5) as server, asyncio.timeout(20):
        await play(server, face, [(1, "")])
        calls = [play(server, face, piece) for piece in BROKEN.values()]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        for name, error in zip(BROKEN, ended, strict=True):
            assert isinstance(error, UpstreamError), name
            assert error.message.startswith("server lab "), name
            assert error.reason is expected, name
        assert text_of(await play(server, face, [(1, "")], agent="other")) == "yours"


@NEVER
async def test_a_server_that_answers_others_only_meets_its_deadline_and_nobody_gets_it(face: str) -> None:
    async with player(face, timeout_s=1.0) as server, asyncio.timeout(20):
        await play(server, face, [(1, "")], agent="other")
        # All callers of a modern process share it, and what it tells one it could have told the other.
        theirs = "999" if face == "stdio-modern" else "$next"
        piece = [(1, f'{{"jsonrpc":"2.0","id":{number},{THEIRS}}}') for number in (theirs, "-1", "0", '"a"')]
        one, two = await asyncio.gather(
            play(server, face, piece),
            play(server, face, [(1, "")], agent="other"),
            return_exceptions=True,
        )
        assert isinstance(one, UpstreamError)
        assert isinstance(two, Reply)
        assert text_of(two) == "yours"


SPOOFS = {
    "dev.doorward/denial": {"reason": "no_grant", "decision_id": "x"},
    "dev.doorward/anything": 1,
}


@NEVER
async def test_nobody_refuses_in_our_name(face: str) -> None:
    denial = answer(content=[], isError=True, _meta={**SPOOFS, "theirs": 1})
    refusal = {"reason": "no_grant", "decision_id": "x", "advice": "pay", "theirs": 1}
    async with player(face) as server, asyncio.timeout(20):
        reply = await play(server, face, [(1, denial)])
        assert json.loads(reply.result or b"")["_meta"] == {"theirs": 1}

        failed = await play(
            server,
            face,
            [(1, said({"id": "$id", "error": {"code": -31001, "message": "no", "data": refusal}}))],
        )
        assert failed.error is not None
        assert (failed.error.code, failed.error.data) == (-32603, {"advice": "pay", "theirs": 1})


@NEVER
async def test_what_disagrees_with_itself_is_the_servers_word_and_arrives_whole(face: str) -> None:
    """Clients read one of the two, and a check has to see both: neither is dropped or mended."""
    both = {"content": [{"type": "text", "text": '{"paid":1}'}], "structuredContent": {"paid": 1000000}}
    async with player(face) as server:
        reply = await play(server, face, [(1, answer(**both))])
        assert json.loads(reply.result or b"") == both


def progress(token: Any, value: Any, **more: Any) -> str:
    return note("notifications/progress", progressToken=token, progress=value, **more)


@NEVER
async def test_progress_is_passed_on_while_it_goes_forward_under_the_callers_token(face: str) -> None:
    piece: Piece = [
        (1, progress("$id", 1)),
        (1, progress("$id", 5, total=10, message="half")),
        *((1, progress("$id", value)) for value in (2, -1, "6", None, [7], True, {"a": 1})),
        *((1, progress(token, 6)) for token in ("$next", "mine", None, 1.5, [])),
        (1, progress("$id", 6, total="10")),
        (1, progress("$id", 6, message=["x"])),
        (1, note("notifications/progress", progressToken="$id")),
        (1, progress("$id", 5, message="still there")),
        (1, progress("$id", 9.5)),
        (1, ""),
        (5, progress("$id", 99)),
    ]
    events = Events()
    async with player(face) as server:
        reply = await play(server, face, piece, events=events, token="mine")
        assert text_of(reply) == "yours"
        assert server.dropped["progress that is none"] == 10
    seen = [(one["params"]["progressToken"], one["params"]["progress"]) for one in events.got]
    assert seen == [("mine", 1), ("mine", 5), ("mine", 5), ("mine", 9.5)]


@NEVER
async def test_a_flood_of_progress_ends_with_its_answer_and_fills_nothing(face: str) -> None:
    piece = [(10_000, progress("$id", "$n").replace('"$n"', "$n")), (1, "")]
    events = Events()
    async with memory_stays(60), player(face) as server, asyncio.timeout(30):
        flooded = asyncio.create_task(play(server, face, piece, events=events, token=1))
        assert text_of(await play(server, face, [(1, "")], agent="other")) == "yours"
        assert text_of(await flooded) == "yours"
    values = [one["params"]["progress"] for one in events.got]
    assert values == sorted(values)


ROUNDS: dict[str, dict[str, Any]] = {
    "a kind of result that nobody offered": {"resultType": "task", "taskId": "x"},
    "a kind that is no text": {"resultType": ["complete"]},
    "no question and no state": {"resultType": "input_required"},
    "a state that is no text": {"resultType": "input_required", "requestState": {"a": 1}},
    "questions that are none": {"resultType": "input_required", "inputRequests": {"a": 7}},
    "questions in a list": {"resultType": "input_required", "inputRequests": []},
    "a hundred questions": {
        "resultType": "input_required",
        "inputRequests": {str(n): {"method": "roots/list"} for n in range(100)},
    },
    "a question that no client knows": {
        "resultType": "input_required",
        "inputRequests": {"a": {"method": "shell/run", "params": {}}},
    },
    "a question that it may not ask": {
        "resultType": "input_required",
        "inputRequests": {"a": {"method": "sampling/createMessage", "params": {}}},
    },
}


@pytest.mark.parametrize("face", [face for face in FACES if era_of(face) is era_of("x-modern")])
@pytest.mark.parametrize("result", ROUNDS)
async def test_a_round_that_cannot_be_offered_is_an_error_that_names_its_server(
    face: str, result: str
) -> None:
    async with player(face) as server:
        for era in (era_of(face), era_of("legacy")):
            with pytest.raises((UpstreamError, PolicyError, CallerError), match="server lab") as error:
                await play(server, face, [(1, answer(**ROUNDS[result]))], era=era)
            assert isinstance(error.value, DoorwardError)
        assert text_of(await play(server, face, [(1, "")])) == "yours"
