"""What the gateway answers itself: handshakes, pings, log levels and the lists."""

from typing import Any

import msgspec

from doorward.model.call import Call, Outcome, Reply
from doorward.model.errors import CallerError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.model.verdict import Permit
from doorward.pipeline.listens import Listens
from doorward.pipeline.lists import LISTS, Lists, Offer
from doorward.ports.catalog import Description
from doorward.ports.sessions import Sessions
from doorward.wire import bridge, meta, remembered
from doorward.wire.extensions import APPS


class Local:
    """Implements ports.Upstream for Kind.GATEWAY."""

    def __init__(
        self,
        offer: Offer,
        sessions: Sessions,
        identity: dict[str, Any],
        listens: Listens,
        page: int = 0,
    ) -> None:
        """`page`: see Lists."""
        self._offer = offer
        self._lists = Lists(offer, page)
        self._sessions = sessions
        self._listens = listens
        self._identity = identity
        """serverInfo of the aggregate endpoint."""

    async def send(self, permit: Permit) -> Reply:
        """Raises CallerError for params that do not fit the method, UpstreamError for a list nobody has."""
        call = permit.call
        if call.method in LISTS:
            return await self._lists.answer(call, permit.principal)
        match call.method:
            case "initialize":
                return await self._initialize(call, permit.principal)
            case "server/discover":
                return await self._discover(call, permit.principal)
            case "subscriptions/listen":
                return await self._listens.serve(call, permit.principal)
            case "logging/setLevel":
                return self._set_level(call)
            case "ping":
                return _ok({})
        raise CallerError(Reason.METHOD_NOT_FOUND, "this method is not served here")

    async def _initialize(self, call: Call, principal: Principal) -> Reply:
        described = await self._described(call.endpoint, principal)
        session = self._sessions.open(
            principal,
            call.endpoint,
            call.version,
            remembered.capabilities(call.capabilities, call.version),
            remembered.client(call.client),
        )
        result = bridge.initialize_result(
            version=call.version,
            capabilities=kept_capabilities(described.capabilities),
            server_info=described.server_info or self._identity,
            instructions=described.instructions,
        )
        return Reply(msgspec.json.encode(result), None, Outcome.OK, session_id=session.id)

    async def _discover(self, call: Call, principal: Principal) -> Reply:
        described = await self._described(call.endpoint, principal)
        return _ok(
            bridge.discover_result(
                capabilities=kept_capabilities(described.capabilities) | apps(described.capabilities),
                server_info=described.server_info or self._identity,
                instructions=described.instructions,
            )
        )

    async def _described(self, endpoint: str | None, principal: Principal) -> Description:
        await self._offer.catalog.refresh(endpoint, Kind.TOOL)
        return self._offer.catalog.describe(endpoint, principal)

    @staticmethod
    def _set_level(call: Call) -> Reply:
        level = call.params.get("level")
        if level not in meta.LOG_LEVELS or call.session is None:
            raise CallerError(Reason.INVALID_PARAMS, f"level must be one of {', '.join(meta.LOG_LEVELS)}")
        call.session.log_level = level
        return _ok({})


def _ok(result: dict[str, Any]) -> Reply:
    return Reply(msgspec.json.encode(result), None, Outcome.OK)


def kept_capabilities(offered: dict[str, Any]) -> dict[str, Any]:
    """What we can keep of what the servers offer, in either era: lists change on our own account, tasks come
    later."""
    kept: dict[str, Any] = {}
    for name in ("tools", "prompts", "resources"):
        if name in offered:
            kept[name] = {"listChanged": True}
    if offered.get("resources", {}).get("subscribe") is True:
        kept["resources"]["subscribe"] = True
    for name in ("completions", "logging"):
        if name in offered:
            kept[name] = {}
    return kept


def apps(offered: dict[str, Any]) -> dict[str, Any]:
    """MCP Apps (SEP-1865), the one extension that passes through us whole: tools, their `_meta` and `ui://`
    resources. Legacy revisions have no place for it."""
    found = offered.get("extensions", {}).get(APPS)
    return {"extensions": {APPS: found}} if isinstance(found, dict) else {}
