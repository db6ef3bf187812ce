"""What becomes of calls that need a question to the client, where caller and server are of different eras.

The suite says that a scenario fails, and not always how. So each call that such a scenario makes is made here
once more and looked at: it has to fail with the error of issue 5, item 2, and soon.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import httpx2

from tests.conformance.suite import Check, Results
from tests.e2e.support.raw import headers, request

LEGACY: Final = "2025-11-25"
PATIENCE_S: Final = 30.0
"""A call that hangs takes the gateway's own time limit, which is longer."""
EVERYTHING: Final = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
UNSUPPORTED: Final = (-32603, "bridge_unsupported")
UNDECLARED: Final = -32021
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
_ROUNDS: Final = "test_input_required_result_"
_ELICITS: Final = "test_elicitation_"


class Asking(NamedTuple):
    """What asks."""

    method: str
    name: str
    undeclared: str | None = None
    """What asks a client that declared nothing: a legacy server that looks at that first does without."""


def _tool(name: str, undeclared: str | None = None) -> Asking:
    return Asking("tools/call", name, undeclared)


ASKING: Final[Mapping[str, Mapping[str, Asking]]] = {
    "cross_l2m": {
        "tools-call-sampling": _tool("test_sampling", "test_sampling"),
        "tools-call-elicitation": _tool("test_elicitation", "test_elicitation"),
        "elicitation-sep1034-defaults": _tool(f"{_ELICITS}sep1034_defaults", f"{_ELICITS}sep1034_defaults"),
        "elicitation-sep1330-enums": _tool(f"{_ELICITS}sep1330_enums", f"{_ELICITS}sep1330_enums"),
    },
    "cross_m2l": {
        "server-stateless": _tool("test_streaming_elicitation", "test_missing_capability"),
        "input-required-result-basic-elicitation": _tool(f"{_ROUNDS}elicitation"),
        "input-required-result-basic-sampling": _tool(f"{_ROUNDS}sampling"),
        "input-required-result-basic-list-roots": _tool(f"{_ROUNDS}list_roots"),
        "input-required-result-request-state": _tool(f"{_ROUNDS}request_state"),
        "input-required-result-multiple-input-requests": _tool(f"{_ROUNDS}multiple_inputs"),
        "input-required-result-multi-round": _tool(f"{_ROUNDS}multi_round"),
        "input-required-result-missing-input-response": _tool(f"{_ROUNDS}elicitation"),
        "input-required-result-non-tool-request": Asking("prompts/get", f"{_ROUNDS}prompt"),
        "input-required-result-result-type": _tool(f"{_ROUNDS}elicitation"),
        "input-required-result-tampered-state": _tool(f"{_ROUNDS}tampered_state"),
        "input-required-result-capability-check": _tool(f"{_ROUNDS}capabilities"),
        "input-required-result-ignore-extra-params": _tool(f"{_ROUNDS}elicitation"),
    },
}
"""By run and scenario: the scenarios that may differ across eras, and no others may."""

CHECK: Final = "fails-as-unsupported"


def asked(run: str, url: str, server: str) -> Results:
    """The calls of a run at `url`, by a client that declares everything and by one that declares nothing.

    One check for each scenario, which is a FAILURE when one of its calls ends otherwise than it has to.
    """
    speaks = _Legacy if run == "cross_l2m" else _Modern
    found: dict[str, list[str]] = {scenario: [] for scenario in ASKING[run]}
    for declares in (EVERYTHING, {}):
        with httpx2.Client(timeout=PATIENCE_S) as http:
            client = speaks(http, url, declares)
            for scenario, asking in ASKING[run].items():
                name = asking.name if declares else asking.undeclared
                if name is not None:
                    answer = client.ask(asking.method, name)
                    found[scenario] += wrong(answer, server, declared=bool(declares))
    return {
        scenario: {CHECK: Check("FAILURE" if said else "SUCCESS", "; ".join(said))}
        for scenario, said in found.items()
    }


def wrong(answer: Mapping[str, Any], server: str, *, declared: bool) -> Iterator[str]:
    """What is wrong with an answer, in words."""
    error = answer.get("error")
    if error is None:
        yield f"with {'every' if declared else 'no'} capability declared it did not fail"
        return
    data = error.get("data") or {}
    if declared:
        if (error["code"], data.get("reason")) != UNSUPPORTED:
            yield f"it failed with {error['code']} {data.get('reason')}: {error['message']}"
        if server not in error["message"]:
            yield f"the server is not named: {error['message']}"
    elif error["code"] != UNDECLARED or not data.get("requiredCapabilities"):
        yield f"undeclared, it failed with {error['code']} {data}: {error['message']}"


class _Modern:
    """A client of 2026-07-28."""

    def __init__(self, http: httpx2.Client, url: str, declares: Mapping[str, Any]) -> None:
        self._http, self._url, self._declares = http, url, declares

    def ask(self, method: str, name: str) -> dict[str, Any]:
        body = request(1, method, {"name": name, **_arguments(method)})
        body["params"]["_meta"][CAPABILITIES] = self._declares
        return _answer(self._http, self._url, body, headers("", method, name))


class _Legacy:
    """A client with a session of 2025-11-25."""

    def __init__(self, http: httpx2.Client, url: str, declares: Mapping[str, Any]) -> None:
        self._http, self._url = http, url
        self._fields = {"Accept": "application/json, text/event-stream"}
        client = {"name": "e2e", "version": "1"}
        params = {"protocolVersion": LEGACY, "capabilities": declares, "clientInfo": client}
        opened = self._http.post(url, json=_message("initialize", params), headers=self._fields)
        self._fields |= {
            "Mcp-Session-Id": opened.headers["mcp-session-id"],
            "MCP-Protocol-Version": LEGACY,
        }
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self._http.post(url, json=note, headers=self._fields)

    def ask(self, method: str, name: str) -> dict[str, Any]:
        body = _message(method, {"name": name, **_arguments(method)})
        return _answer(self._http, self._url, body, self._fields)


def _message(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _arguments(method: str) -> dict[str, Any]:
    """Those that the fixture's tools require, and that its others ignore."""
    return {"arguments": {"prompt": "x", "message": "x"}} if method == "tools/call" else {}


def _answer(http: httpx2.Client, url: str, body: dict[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """The reply, whether it came alone or at the end of a stream; an error that says how long was waited."""
    sent = {name: value for name, value in fields.items() if name != "Authorization"}
    try:
        answer = http.post(url, json=body, headers=sent)
    except httpx2.TimeoutException:
        return {"error": {"code": 0, "message": f"no answer within {PATIENCE_S} s"}}
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return last_event(answer.text)
    found: dict[str, Any] = answer.json()
    return found


def last_event(stream: str) -> dict[str, Any]:
    """The last message of an event stream, which is the reply."""
    lines = [line.removeprefix("data:").strip() for line in stream.splitlines() if line.startswith("data:")]
    found: dict[str, Any] = json.loads(next(line for line in reversed(lines) if line))
    return found
