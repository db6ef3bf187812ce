"""Fuzz target of the bridge: what a server of one era answers, as a caller of one era gets it.

The first byte chooses the method, both eras and the caller's revision; the rest is the server's message.
"""

import msgspec

from doorward.model.call import Era
from doorward.model.errors import CallerError, PolicyError, UpstreamError
from doorward.model.target import Kind
from doorward.model.verdict import Permit
from doorward.upstream.bridging import Unfinished
from doorward.upstream.incoming import incoming
from doorward.upstream.rounds import OwnKey, Rounds
from doorward.upstream.settings import ServerSettings
from doorward.wire import bridge, jsonrpc
from doorward.wire.errors import WireError
from tests.attack import hostile_server
from tests.fuzz.engine import Target
from tests.fuzz.fuzz_wire import LINK_WORDS, LINKS, MESSAGES, WORDS

METHODS = (("tools/call", Kind.TOOL), ("prompts/get", Kind.PROMPT), ("resources/read", Kind.RESOURCE))
REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_ONLY = {"resultType", "ttlMs", "cacheScope"}
ROUNDS = Rounds(ServerSettings(name="lab", url="http://127.0.0.1:1/mcp", may_ask=("elicitation",)), OwnKey())
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def permit_of(choice: int) -> tuple[Permit, Era]:
    """A permitted call, and the era of its server."""
    method, kind = METHODS[choice % 3]
    caller, server = list(Era)[choice // 3 % 2], list(Era)[choice // 6 % 2]
    version = REVISIONS[choice // 12 % 4] if caller is Era.LEGACY else "2026-07-28"
    made = hostile_server.permit(method=method, params={"name": "x", "uri": "a:b"}, era=caller, kind=kind)
    capabilities = {"elicitation": {"form": {}}}
    return (
        msgspec.structs.replace(
            made, call=msgspec.structs.replace(made.call, version=version, capabilities=capabilities)
        ),
        server,
    )


def fuzz_bridge(data: bytes) -> None:
    """A reply as the caller's revision has it, or an error that blames somebody."""
    permit, server = permit_of(data[0] if data else 0)
    try:
        message = jsonrpc.parse_upstream(data[1:])
    except WireError:
        return
    if not isinstance(message, jsonrpc.UpstreamResult | jsonrpc.UpstreamError):
        return
    try:
        reply = incoming(permit, server, message, 0.0, ROUNDS)
    except Unfinished:
        assert server is not permit.call.era  # another round is for whoever bridges them
        return
    except (UpstreamError, PolicyError, CallerError) as error:
        _check_words(error.message)
        return
    assert (reply.result is None) != (reply.error is None)
    if reply.error is not None:
        assert reply.error.code not in range(-31099, -31000)
        jsonrpc.encode_error(1, reply.error.code, reply.error.message, reply.error.data)
        return
    assert reply.result is not None
    _check(permit, server, reply.result, message)


def _check_words(message: str) -> None:
    assert message.isprintable()
    assert len(message) < 1000


def _check(permit: Permit, server: Era, result: bytes, message: jsonrpc.UpstreamMessage) -> None:
    call = permit.call
    try:
        members = _members(result)
    except (msgspec.MsgspecError, RecursionError):
        # Within one era what cannot be taken apart is passed on, and its caller's to judge.
        assert server is call.era
        assert isinstance(message, jsonrpc.UpstreamResult)
        return
    meta = members.get("_meta")
    if meta is not None and bytes(meta).startswith(b"{"):
        assert not any(name.startswith("dev.doorward/") for name in _members(meta))
    if server is not call.era:
        if call.era is Era.LEGACY:
            assert MODERN_ONLY.isdisjoint(members)
            assert (
                call.version >= "2025-06-18"
                or "structuredContent" not in members
                or call.method != "tools/call"
            )
        else:
            assert bytes(members["resultType"]) == b'"complete"'
    if call.era is Era.MODERN and call.method in bridge.CACHEABLE and "requestState" not in members:
        kind = members.get("resultType")
        if kind is None or bytes(kind) == b'"complete"':
            assert bytes(members["cacheScope"]) == b'"private"'
            assert 0 <= msgspec.json.decode(members["ttlMs"], type=int) <= bridge.MAX_TTL_MS


def _answers(result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"result":' + result + b"}"


ROUND = (
    b'{"resultType":"input_required","requestState":"s","inputRequests":{"a":{"method":"elicitation/create",'
    b'"params":{"mode":"form","message":"?"}}}}'
)
CACHED = (
    b'{"resultType":"complete","contents":[],"ttlMs":1e3,"cacheScope":"public","_meta":{"dev.doorward/x":1}}'
)
REFUSED = (
    b'{"jsonrpc":"2.0","id":1,"error":{"code":-31001,"message":"no","data":{"decision_id":"x","uri":"a:b"}}}'
)
SEEDS = tuple(
    bytes([choice]) + said
    for choice in (0, 2, 3, 5, 6, 8, 9, 11, 14)
    for said in (
        *(_answers(result) for result in (ROUND, CACHED, *LINKS[:3])),
        REFUSED,
        MESSAGES[1],
        MESSAGES[4],
        MESSAGES[6],
    )
)
BRIDGE_WORDS = (
    *(b'"resultType":"complete"', b'"resultType":"input_required"', b'"resultType":', b'"requestState":'),
    *(b'"inputRequests":', b'"ttlMs":', b'"cacheScope":"public"', b'"_meta":{', b'"dev.doorward/denial":'),
    *(
        b'"structuredContent":',
        b'"isError":true',
        b'"code":-31001',
        b'"code":-32021',
        b'"requiredCapabilities":',
    ),
)
TARGETS = (Target("bridge", fuzz_bridge, SEEDS, (*WORDS, *LINK_WORDS, *BRIDGE_WORDS), guided=True),)
