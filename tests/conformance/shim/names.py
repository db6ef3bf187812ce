"""What a server calls its things, and what the aggregate endpoint calls them: learned from lists."""

from collections.abc import Mapping
from typing import Any, Final

from tests.conformance.fixture.content import OWN_META

Json = dict[str, Any]
_LISTS: Final = {
    "tools": "name",
    "prompts": "name",
    "resources": "uri",
    "resourceTemplates": "uriTemplate",
}
_URIS: Final = frozenset({"uri", "uriTemplate"})


class Names:
    """One server's names, from the `_meta` that the fixture writes beside them."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._exposed: dict[tuple[str, str], str] = {}
        """By member and own name."""
        self._own: dict[tuple[str, str], str] = {}

    def request(self, message: Any) -> Any:
        """A message of the client as the aggregate endpoint wants it."""
        if not isinstance(message, dict) or not isinstance(message.get("params"), dict):
            return message
        params: Json = dict(message["params"])
        for name in ("name", "uri"):
            if name in params:
                params[name] = self.exposed(params[name])
        ref = params.get("ref")
        if isinstance(ref, dict):
            params["ref"] = {k: self.exposed(v) if k in ("name", "uri") else v for k, v in ref.items()}
        wanted = params.get("notifications")
        if isinstance(wanted, dict) and isinstance(wanted.get("resourceSubscriptions"), list):
            uris = [self.exposed(uri) for uri in wanted["resourceSubscriptions"]]
            params["notifications"] = {**wanted, "resourceSubscriptions": uris}
        return {**message, "params": params}

    def exposed(self, own: Any) -> Any:
        """A name, a URI, or a URI that a template makes; unchanged when it is none of ours."""
        if not isinstance(own, str):
            return own
        for member in ("name", "uri", "uriTemplate"):
            if (member, own) in self._exposed:
                return self._exposed[member, own]
        for (member, template), exposed in self._exposed.items():
            start = template.partition("{")[0]
            if member == "uriTemplate" and own.startswith(start):
                return exposed.partition("{")[0] + own.removeprefix(start)
        return own

    def reply(self, message: Any) -> Any:
        """A message of the aggregate endpoint as the server alone would have written it."""
        if not isinstance(message, dict):
            return message
        result = message.get("result")
        if isinstance(result, dict):
            return {**message, "result": self._result(result)}
        return {
            key: self._uris(value) if key in ("params", "error") else value for key, value in message.items()
        }

    def _result(self, result: Json) -> Json:
        for listed, member in _LISTS.items():
            entries = result.get(listed)
            if isinstance(entries, list):
                return {**result, listed: [e for e in map(self._entry(member), entries) if e is not None]}
        changed: Json = self._uris(result)
        return changed

    def _entry(self, member: str) -> Any:
        def own(entry: Json) -> Json | None:
            label: Mapping[str, str] = (entry.get("_meta") or {}).get(OWN_META, {})
            if label.get("server") != self._server:
                return None
            self._exposed[member, label["name"]] = entry[member]
            self._own[member, entry[member]] = label["name"]
            return {**entry, member: label["name"]}

        return own

    def _uris(self, value: Any) -> Any:
        """URIs anywhere below, back to the server's own."""
        if isinstance(value, list):
            return [self._uris(each) for each in value]
        if isinstance(value, dict):
            return {
                key: self._own_uri(each) if key in _URIS and isinstance(each, str) else self._uris(each)
                for key, each in value.items()
            }
        return value

    def _own_uri(self, exposed: str) -> str:
        for (member, uri), own in self._own.items():
            if member == "uri" and uri == exposed:
                return own
            start = uri.partition("{")[0]
            if member == "uriTemplate" and start != own.partition("{")[0] and exposed.startswith(start):
                return own.partition("{")[0] + exposed.removeprefix(start)
        return exposed
