"""A server's answer as the caller's era knows it."""

from doorward.model.call import Era, Reply, RpcError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.upstream import outcome
from doorward.upstream.failure import failure
from doorward.upstream.live import Answer
from doorward.wire import bridge, jsonrpc
from doorward.wire.errors import BridgeUnsupported, WireError


def incoming(server: str, permit: Permit, era: Era, answer: Answer, upstream_s: float) -> Reply:
    """`era` is the server's. Raises UpstreamError(BRIDGE_UNSUPPORTED | UPSTREAM_PROTOCOL_ERROR)."""
    call = permit.call
    if isinstance(answer, jsonrpc.UpstreamError):
        code, message, data = bridge.error_down(
            answer.code, answer.message, answer.data, upstream_era=era, caller_era=call.era
        )
        error = RpcError(code, message, data)
        return Reply(None, error, outcome.of_error(error), upstream_s)
    if era is call.era:  # as `bridge.result_down` has it
        result = answer.result
        return Reply(result, None, outcome.of_result(call.method, result), upstream_s)
    try:
        result = bridge.result_down(
            answer.result,
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
