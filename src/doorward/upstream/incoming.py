"""A server's answer as the caller's era knows it."""

from typing import Any, Final

import msgspec

from doorward.model.call import Era, Reply, RpcError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.upstream import outcome
from doorward.upstream.failure import failure
from doorward.upstream.live import Answer
from doorward.wire import bridge, jsonrpc
from doorward.wire.errors import BridgeUnsupported, WireError

RESERVED: Final = b"dev.doorward/"
"""Keys of `_meta` by which the gateway speaks for itself; a server may not sign as we do."""
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_meta: Final = msgspec.json.Decoder(dict[str, Any])


def incoming(server: str, permit: Permit, era: Era, answer: Answer, upstream_s: float) -> Reply:
    """`era` is the server's. Raises UpstreamError(BRIDGE_UNSUPPORTED | UPSTREAM_PROTOCOL_ERROR)."""
    call = permit.call
    if isinstance(answer, jsonrpc.UpstreamError):
        code, message, data = bridge.error_down(
            answer.code, answer.message, answer.data, upstream_era=era, caller_era=call.era
        )
        error = RpcError(code, message, data)
        return Reply(None, error, outcome.of_error(error), upstream_s)
    said = (
        answer.result
        if answer.result.find(RESERVED) < 0 and answer.result.find(b"\\u") < 0
        else unsigned(answer.result)
    )
    if era is call.era:  # as `bridge.result_down` has it
        return Reply(said, None, outcome.of_result(call.method, said), upstream_s)
    try:
        result = bridge.result_down(
            said,
            call.method,
            upstream_era=era,
            caller_era=call.era,
            caller_version=call.version,
        )
    except BridgeUnsupported as error:
        raise failure(
            Reason.BRIDGE_UNSUPPORTED, server, f"answered what the caller's era cannot carry: {error}"
        ) from error
    except WireError as error:
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"sent an unusable result: {error}") from error
    return Reply(result, None, outcome.of_result(call.method, result), upstream_s)


def unsigned(result: bytes) -> bytes:
    """The result without our own keys in its `_meta`, whatever way they are spelled; else untouched."""
    try:
        members = _members.decode(result)
        meta = _meta.decode(members["_meta"]) if "_meta" in members else {}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return result  # no object in `_meta`: it says nothing in our name
    kept = {name: value for name, value in meta.items() if not name.startswith(RESERVED.decode())}
    if len(kept) == len(meta):
        return result
    return msgspec.json.encode({**members, "_meta": kept})
