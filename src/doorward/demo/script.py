"""What the agents do, and what has to come back: the expectations of the demonstration, as data."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

ERAS: Final = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
"""The SDK client's `mode`, and the protocol revision that it agrees on with the gateway."""

NEW_ADDRESS: Final = "bashir@freight.example"


class End(StrEnum):
    """How a call ends, as the agent sees it."""

    ANSWER = "answer"
    DENIAL = "denial"
    UNKNOWN = "unknown tool"


@dataclass(frozen=True)
class Step:
    """One call by one agent. `rule` is the key in `Scene.lines` of the rule that has to be named, if any."""

    agent: str
    tool: str
    arguments: dict[str, Any]
    end: End
    says: str = ""
    rule: str | None = None
    exists: bool = True

    @property
    def effect(self) -> str:
        """What its audit record has to say. Only where there is a tool there is something to deny."""
        if self.end is End.ANSWER:
            return "permit"
        return "deny" if self.exists else "refuse"


@dataclass(frozen=True)
class Act:
    """A few steps that make one point."""

    title: str
    point: str
    steps: tuple[Step, ...] = field(default=())


VISIBLE: Final = {
    "analyst": ("crm__find_customers", "crm__get_customer", "files__list_files", "files__read_file"),
    "clerk": ("crm__find_customers", "crm__get_customer", "crm__update_email"),
}
"""Tools that each agent has to see, and no others."""

HIDDEN_FROM_ALL: Final = ("crm__delete_customer", "files__write_file")

ACTS: Final = (
    Act(
        "Calls within the rules pass",
        "The gateway decides, records, and only then sends.",
        (
            Step("analyst", "crm__find_customers", {"query": "a", "limit": 3}, End.ANSWER, "Ada Quill"),
            Step("analyst", "files__read_file", {"path": "welcome.txt"}, End.ANSWER, "Doorward"),
            Step("clerk", "crm__update_email", {"id": 2, "email": NEW_ADDRESS}, End.ANSWER, NEW_ADDRESS),
        ),
    ),
    Act(
        "An argument that breaks a rule",
        "The tool is there, this use of it is not allowed: the model learns why, and where.",
        (
            Step(
                "analyst",
                "crm__find_customers",
                {"query": "a", "limit": 50},
                End.DENIAL,
                "at most 5",
                rule="limit",
            ),
            Step("clerk", "crm__find_customers", {"query": "", "limit": 50}, End.ANSWER, "8 rows"),
        ),
    ),
    Act(
        "A tool that does not exist for it",
        "What no call may do is hidden, and answers like a tool that nobody has.",
        (
            Step("analyst", "crm__delete_customer", {"id": 1}, End.UNKNOWN, rule="analyst never deletes"),
            Step("analyst", "crm__no_such_tool", {"id": 1}, End.UNKNOWN, exists=False),
            Step("clerk", "crm__delete_customer", {"id": 1}, End.UNKNOWN, rule="clerk never deletes"),
            Step("clerk", "crm__get_customer", {"id": 1}, End.ANSWER, "Ada Quill"),
        ),
    ),
)
