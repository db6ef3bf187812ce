"""The agents against a gateway made of their own script: they tell right from wrong."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.server import Server, ServerRequestContext
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
)

from doorward.demo import agent as agents
from doorward.demo.agent import Made
from doorward.demo.script import ACTS, ERAS, VISIBLE, End, Step

LINES = {step.rule: 10 + number for number, act in enumerate(ACTS) for step in act.steps if step.rule}


class Gateway:
    """Answers as Doorward should, except where `twist` says otherwise."""

    def __init__(self, agent: str, twist: str = "") -> None:
        self.agent = agent
        self.twist = twist

    async def list_tools(
        self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        names = [*VISIBLE[self.agent], *(["crm__delete_customer"] if self.twist == "shows all" else [])]
        return ListToolsResult(tools=[Tool(name=name, input_schema={"type": "object"}) for name in names])

    async def call_tool(
        self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        step = next(
            step
            for act in ACTS
            for step in act.steps
            if (step.agent, step.tool, step.arguments) == (self.agent, params.name, params.arguments)
        )
        return self.answer(step)

    def answer(self, step: Step) -> CallToolResult:
        if step.end is End.ANSWER or (step.end is End.DENIAL and self.twist == "permits all"):
            return CallToolResult(content=[TextContent(text=step.says)])
        if step.end is End.UNKNOWN:
            raise MCPError(-32602, "No such luck" if self.twist == "hints" and step.rule else "Unknown tool")
        line = 99 if self.twist == "wrong line" else LINES[step.rule or ""]
        text = f"Denied: {step.says} at doorward.yaml:{line} (decision d1)"
        return CallToolResult.model_validate(
            {
                "content": [{"type": "text", "text": text}],
                "isError": True,
                "_meta": {"dev.doorward/denial": {"decision_id": "d1"}},
            }
        )


def play(twist: str = "") -> tuple[bool, list[Made]]:
    async def run() -> tuple[bool, list[Made]]:
        async with AsyncExitStack() as stack:
            clients = {}
            for mode in ERAS:
                for name in VISIBLE:
                    fake = Gateway(name, twist)
                    server: Server[Any] = Server(
                        "fake", on_list_tools=fake.list_tools, on_call_tool=fake.call_tool
                    )
                    clients[mode, name] = await stack.enter_async_context(Client(server, mode=mode))
            return await agents.act_all(clients, LINES, pause=0)

    return asyncio.run(run())


def test_a_gateway_that_does_its_work_satisfies_them(capsys: pytest.CaptureFixture[str]) -> None:
    lists, made = play()

    assert lists
    assert all(call.as_expected for call in made)
    assert len(made) == len(ERAS) * sum(len(act.steps) for act in ACTS)
    assert {call.line for call in made if call.effect == "deny"} >= set(LINES.values())
    story = capsys.readouterr().out
    assert "✗" not in story
    assert max(map(len, story.splitlines())) <= 88


@pytest.mark.parametrize("twist", ["permits all", "hints", "wrong line"])
def test_a_wrong_answer_is_noticed_and_shown(twist: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, made = play(twist)

    assert not all(call.as_expected for call in made)
    assert "✗" in capsys.readouterr().out


def test_a_tool_too_many_in_a_list_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    lists, _ = play("shows all")

    assert not lists
    assert "✗" in capsys.readouterr().out
