"""What every story server in Python offers, whatever it is built on: the decorators are the same in all.

Runs as part of a script, in the environment of its SDK (`tests/e2e/support/actors.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

LOOPBACK = "127.0.0.1"
NAMES = ("Anna", "Anders", "Berta")
PIXEL = b"\x89PNG\r\n\x1a\n"

Say = Callable[[Any, str], Awaitable[None]]


class Sum(BaseModel):
    total: int


class Person(BaseModel):
    name: str


def starting_with(typed: str) -> list[str]:
    """What completion offers."""
    return [name for name in NAMES if name.startswith(typed)]


def offer(server: Any, Context: Any, say_at: Say) -> None:  # noqa: N803 - the class of the SDK
    """Tools, resources and prompts. `say_at(context, level)` sends a log message."""
    begun = cancelled = 0

    @server.tool()
    def add(a: int, b: int) -> Sum:
        """Structured output."""
        return Sum(total=a + b)

    @server.tool()
    def fail() -> str:
        """An error of the tool."""
        raise ValueError("it broke")

    @server.tool()
    async def slow(steps: int, ctx: Context) -> str:  # type: ignore[valid-type]
        """Reports its progress."""
        for step in range(1, steps + 1):
            await ctx.report_progress(step, steps, f"step {step}")  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)
        return "done"

    @server.tool()
    async def hang() -> str:
        """Ends by being cancelled."""
        nonlocal begun, cancelled
        begun += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            raise
        return "nobody cancelled"

    @server.tool()
    def cancellations() -> str:
        """How many calls of `hang` have begun, and how many were cancelled."""
        return f"{begun} begun, {cancelled} cancelled"

    @server.tool()
    async def say(ctx: Context) -> str:  # type: ignore[valid-type]
        """A message below the level that the story sets, and one above it."""
        await say_at(ctx, "debug")
        await say_at(ctx, "warning")
        return "said"

    @server.tool()
    def guarded(n: int) -> str:
        """Small numbers are allowed."""
        return f"{n} is small"

    @server.tool()
    def secret() -> str:
        """Nobody may see it."""
        return "seen"

    @server.resource("note://one", mime_type="text/plain")
    def one() -> str:
        return "the first note"

    @server.resource("note://pixel", mime_type="image/png")
    def pixel() -> bytes:
        return PIXEL

    @server.resource("private://diary", mime_type="text/plain")
    def diary() -> str:
        return "read"

    @server.resource("note://{name}/line", mime_type="text/plain")
    def line(name: str) -> str:
        return f"a line of {name}"

    @server.prompt()
    def greet(name: str) -> str:
        return f"Greet {name}."

    @server.prompt()
    def confess() -> str:
        return "Nobody may see it."
