"""The API on a store in memory: asked over ASGI, without sockets, by operators of every role."""

import asyncio
import json
from typing import Any, NamedTuple

from doorward.api.app import Face
from doorward.audit.records import Actor
from doorward.backends.memory.store import MemoryStore
from doorward.control import operators
from doorward.control.operators import CreatedOperator
from doorward.control.plane import Plane
from doorward.model.bounds import Rate
from doorward.model.errors import GatewayError
from doorward.model.grants import AgentRules, Glob, Grant, Scope
from doorward.model.reasons import Reason
from doorward.model.verdict import RuleRef
from tests.unit.control.test_operators import Ring
from tests.unit.control.test_views import Gateway

NOW = 1_700_000_000.0
AT = RuleRef("agents.ci", "doorward.yaml", 4)
HOST = (b"host", b"127.0.0.1:7421")
RULES = Grant(AT, (Glob("*", AT),), tools=Scope((Glob("*", AT),)))


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        reason: str = self.said["error"]["reason"]
        return reason


class LiveGateway(Gateway):
    """May fail to apply; has agents with grants."""

    failing: str | None = None

    def apply(self) -> None:
        super().apply()
        if self.failing is not None:
            raise GatewayError(Reason.AUDIT_UNAVAILABLE, self.failing)

    def agents(self) -> list[AgentRules]:
        rate = Rate.parse("100/min")
        return [AgentRules("bot", (RULES,)), AgentRules("ci", (RULES,), team="a", rate=rate, rate_at=AT)]


class House:
    """A plane with an owner, and a face before it."""

    def __init__(self) -> None:
        self.store, self.ring, self.live = MemoryStore(), Ring(), LiveGateway()
        self.plane = Plane(self.store, self.ring, self.live, "api", clock=lambda: NOW)
        self.app = Face(self.plane).application()
        made = operators.bootstrap(self.store, self.ring, actor=Actor("root", "cli"), now=NOW)
        self.owner = made.text

    def operator(self, role: str, **limits: Any) -> CreatedOperator:
        by = self.plane.operator(self.owner)
        number = len(self.store.operators())
        return operators.add_operator(
            self.store, self.ring, by=by, name=f"{role}{number}", role=role, now=NOW, **limits
        )

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        fields: tuple[tuple[bytes, bytes], ...] = (HOST,),
        raw: bytes | None = None,
    ) -> Answer:
        """`token`: None presents none, "" the owner's. `path`: behind /api/v1, unless with two slashes."""
        text = path[1:] if path.startswith("//") else f"/api/v1{path}"
        shown = self.owner if token == "" else token
        given = list(fields)
        if shown is not None:
            given.append((b"authorization", f"Bearer {shown}".encode()))
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if content and not any(name == b"content-type" for name, _ in given):
            given.append((b"content-type", b"application/json"))
        return asyncio.run(call(self.app, method, text, given, content))


async def call(app: Any, method: str, text: str, fields: list[tuple[bytes, bytes]], body: bytes) -> Answer:
    """One request over ASGI, its body in two pieces."""
    path, _, query = text.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": fields,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 7421),
    }
    middle = len(body) // 2
    pieces = [
        {"type": "http.request", "body": body[:middle], "more_body": True},
        {"type": "http.request", "body": body[middle:], "more_body": False},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if pieces:
            return pieces.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    head = next(message for message in sent if message["type"] == "http.response.start")
    content = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    headers = {name.decode(): value.decode() for name, value in head["headers"]}
    return Answer(head["status"], headers, content)
