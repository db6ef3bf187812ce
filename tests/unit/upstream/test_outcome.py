import pytest

from doorward.model.call import Outcome, RpcError
from doorward.upstream.outcome import of_error, of_result

LONG = b'{"content":[{"type":"text","text":"' + b"x" * 400 + b'"}]'


@pytest.mark.spec("DW-303")
@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (b'{"content":[{"type":"text","text":"x"}]}', Outcome.OK),
        (b'{"content":[]}', Outcome.EMPTY),
        (b'{"content":[],"structuredContent":{}}', Outcome.OK),
        (b'{"content":[],"isError" : true}', Outcome.TOOL_ERROR),
        (LONG + b',"isError":true}', Outcome.TOOL_ERROR),
        (LONG + b',"isError":false}', Outcome.OK),
        (LONG + b',"isError":true,"_meta":{"isError":false,"a":{"isError":1}}}', Outcome.TOOL_ERROR),
        (b'{"isError"\n:\ttrue,"_meta":{"isError":false},' + LONG[1:] + b"}", Outcome.TOOL_ERROR),
        (LONG + b',"structuredContent":{"isError":true}}', Outcome.OK),
        (b'{"content":"odd"}', Outcome.OK),
    ],
)
def test_a_result_is_judged_by_its_own_members(result: bytes, wanted: Outcome) -> None:
    assert of_result("tools/call", result) is wanted
    assert of_result("prompts/get", result) is Outcome.OK


@pytest.mark.spec("DW-283")
def test_errors_tell_whose_fault_they_are() -> None:
    assert of_error(RpcError(-32602, "x")) is Outcome.INVALID_ARGUMENTS
    assert of_error(RpcError(-32603, "x")) is Outcome.PROTOCOL_ERROR
