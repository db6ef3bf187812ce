from mcp.types import CallToolResult, TextContent

from doorward.demo.script import End
from doorward.demo.told import Told, tell


def result(text: str, **over: object) -> CallToolResult:
    return CallToolResult.model_validate({"content": [TextContent(type="text", text=text)], **over})


def test_a_denial_is_known_by_its_meta_and_shown_without_its_id() -> None:
    told = tell(
        result(
            "Denied by policy: no. (decision 0198)",
            isError=True,
            _meta={"dev.doorward/denial": {"decision_id": "0198"}},
        )
    )

    assert told == Told(End.DENIAL, "Denied by policy: no.")
    assert told.decision_id == "0198"


def test_a_servers_own_error_is_an_answer() -> None:
    assert tell(result("broken", isError=True)) == Told(End.ANSWER, "the tool failed: broken")


def test_rows_are_counted_and_the_first_three_named() -> None:
    rows = [{"id": number, "name": name} for number, name in enumerate("abcd")]

    assert tell(result("", structuredContent={"result": rows})).text == "4 rows: a, b, c, ..."


def test_a_record_is_its_values() -> None:
    assert tell(result("", structuredContent={"id": 1, "name": "Ada", "revenue": 9})).text == "1, Ada"


def test_without_structure_the_text_speaks() -> None:
    assert tell(result(" hello\n")).text == "hello"
