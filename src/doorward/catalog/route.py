"""Which server, which tool: names are looked up, never taken apart; an unlisted URI names its server."""

import time
from collections.abc import Callable
from typing import Any, Final

from doorward.catalog.indexes import Index
from doorward.catalog.snapshot import Snapshot
from doorward.model.call import Call
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind, OperationClass, Target
from doorward.wire import uris

_TOOL: Final = Kind.TOOL  # read on nearly every call: a member of an enum costs 80 ns in CPython 3.11
OWN_METHODS: Final = frozenset(
    {
        "initialize",
        "ping",
        "server/discover",
        "logging/setLevel",
        "subscriptions/listen",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    }
)
"""Answered by the gateway itself, from what it knows (pipeline/local.py)."""
_KINDS: Final = {
    "tools/call": Kind.TOOL,
    "prompts/get": Kind.PROMPT,
    "completion/complete": Kind.PROMPT,
}
"""What is looked up by name among what is listed."""
MOST_TOOLS: Final = 65_536
"""Remembered by endpoint, agent and name; every one of them is listed."""


class SnapshotRouter:
    """Implements ports.Router over one snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        reaches: Callable[[Principal, str], bool],
        weigh: Callable[[Principal, Target], object] | None = None,
    ) -> None:
        """`reaches` says whether a caller may know that a server exists; `weigh` does the work of a decision
        about a name that nobody lists, so that unknown takes the time of hidden."""
        self._snapshot = snapshot
        self._reaches = reaches
        self._weigh = weigh
        self._tools: dict[tuple[str | None, str, str], Target] = {}
        """Found before: by endpoint, agent and name."""

    def route(self, call: Call, principal: Principal) -> Target:
        """Raises CallerError(TARGET_UNKNOWN | INVALID_PARAMS | PATH_NOT_FOUND).

        Also UpstreamError(UPSTREAM_UNREACHABLE) for a server that has not said yet what it offers: then
        nobody knows what is unknown.
        """
        series = call.series
        if series is None or not series.plain or principal.bounds is not None:
            return self._found(call, principal)  # what bounds say is no matter of the agent alone
        key = (call.endpoint, principal.agent, series.name)
        target = self._tools.get(key)
        if target is None:
            target = self._found(call, principal)
            if len(self._tools) >= MOST_TOOLS:
                self._tools.clear()
            self._tools[key] = target
        return target

    def _found(self, call: Call, principal: Principal) -> Target:
        server = call.endpoint
        if server is not None and not (
            server in self._snapshot.listings and self._reaches(principal, server)
        ):
            raise CallerError(Reason.PATH_NOT_FOUND, "nothing is served at this path")
        try:
            return self._route(call)
        except CallerError as error:
            if (
                error.reason is not Reason.TARGET_UNKNOWN
                or server is None
                or self._snapshot.listings[server].known
            ):
                if error.reason is Reason.TARGET_UNKNOWN:
                    self._spend(call, principal)
                raise
            waited = max(time.time() - self._snapshot.listings[server].since, 0.0)
            text = f"server {server} has not answered yet: it was configured {waited:.0f} s ago"
            raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, server, text) from None

    def _spend(self, call: Call, principal: Principal) -> None:
        """A hidden name costs a decision. One that does not exist has nothing to decide, and would be told
        from it by its time; what it costs is worked out as if some server had listed it."""
        kind = _KINDS.get(call.method)
        given = call.params.get("ref" if call.method == "completion/complete" else "name")
        name = given.get("name") if isinstance(given, dict) else given
        servers = self._snapshot.servers(call.endpoint)
        if self._weigh is None or kind is None or not isinstance(name, str) or not servers:
            return
        prefix, _, rest = name.partition("__")  # only a guess at whose it would be: nothing is looked up
        server = prefix if prefix in servers else next(iter(servers))
        self._weigh(principal, Target(server, kind, rest or name, OperationClass.WRITE))

    def _route(self, call: Call) -> Target:
        index = self._snapshot.index(call.endpoint)
        match call.method:
            case "tools/call":
                return _named(index, _TOOL, call.params)
            case "prompts/get":
                return _named(index, Kind.PROMPT, call.params)
            case "resources/read" | "resources/subscribe" | "resources/unsubscribe":
                return self._resource(index, call)
            case "completion/complete":
                return self._reference(index, call.params)
        if call.method not in OWN_METHODS:
            raise CallerError(Reason.METHOD_NOT_FOUND, "this method is not served here")
        return Target("", Kind.GATEWAY, call.method, OperationClass.READ)

    def _resource(self, index: Index, call: Call) -> Target:
        uri = _string(call.params, "uri")
        target = index.of(Kind.RESOURCE).targets.get(uri)
        if target is not None:
            return target
        # A server need not list every URI that it can read; the grants' URI globs decide, which look at text.
        found = (call.endpoint, uri) if call.endpoint is not None else uris.own(uri)
        listing = self._snapshot.listings.get(found[0]) if found is not None else None
        if (
            found is None
            or listing is None
            or "resources" not in listing.capabilities
            or not uris.reads_one_way(found[1])
        ):
            raise CallerError(Reason.TARGET_UNKNOWN, "unknown resource")
        return Target(found[0], Kind.RESOURCE, found[1], OperationClass.READ)

    def _reference(self, index: Index, params: dict[str, Any]) -> Target:
        ref = params.get("ref")
        if not isinstance(ref, dict):
            raise CallerError(Reason.INVALID_PARAMS, "completion/complete: ref must be an object")
        if ref.get("type") == "ref/prompt":
            return _named(index, Kind.PROMPT, ref)
        if ref.get("type") == "ref/resource":
            uri = _string(ref, "uri")
            target = index.of(Kind.TEMPLATE).targets.get(uri) or index.of(Kind.RESOURCE).targets.get(uri)
            if target is not None:
                return target
            raise CallerError(Reason.TARGET_UNKNOWN, "unknown reference")
        raise CallerError(
            Reason.INVALID_PARAMS, "completion/complete: ref.type must be ref/prompt or ref/resource"
        )


def _named(index: Index, kind: Kind, params: dict[str, Any]) -> Target:
    arguments = params.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise CallerError(Reason.INVALID_PARAMS, "arguments must be an object")
    target = index.of(kind).targets.get(_string(params, "name"))
    if target is None:
        raise CallerError(Reason.TARGET_UNKNOWN, f"unknown {kind}")
    return target


def _string(params: dict[str, Any], member: str) -> str:
    value = params.get(member)
    if not isinstance(value, str):
        raise CallerError(Reason.INVALID_PARAMS, f"{member} must be a string")
    return value
