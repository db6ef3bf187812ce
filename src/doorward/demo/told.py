"""What a tool's result says, in one line."""

from dataclasses import dataclass, field
from typing import Any, Final

from mcp.types import CallToolResult, TextContent

from doorward.demo.script import End

DENIAL_META: Final = "dev.doorward/denial"
_NAMES: Final = 3


@dataclass(frozen=True)
class Told:
    """How a call ended, and its text. Two that look the same to a model are equal."""

    end: End
    text: str
    decision_id: str | None = field(default=None, compare=False)


def tell(result: CallToolResult) -> Told:
    """A denial is known by its `_meta`, which a server's own error does not have."""
    denial = (result.meta or {}).get(DENIAL_META)
    text = " ".join(part.text for part in result.content if isinstance(part, TextContent))
    if isinstance(denial, dict):
        decision_id = str(denial["decision_id"])
        return Told(End.DENIAL, text.replace(f" (decision {decision_id})", ""), decision_id)
    if result.is_error:
        return Told(End.ANSWER, f"the tool failed: {text}")
    structured = result.structured_content
    return Told(End.ANSWER, text.strip() if structured is None else _brief(structured))


def _brief(structured: dict[str, Any]) -> str:
    value = structured.get("result", structured)
    if isinstance(value, list):
        names = [str(row["name"]) for row in value if isinstance(row, dict) and "name" in row]
        more = ", ..." if len(names) > _NAMES else ""
        return f"{len(value)} rows: {', '.join(names[:_NAMES])}{more}"
    if isinstance(value, dict):
        return ", ".join(str(value[name]) for name in value if name != "revenue")
    return str(value).strip()
