import json
from typing import Any

import pytest

from doorward.model.reasons import Reason
from doorward.upstream.h1 import Response
from doorward.upstream.probe import Evidence, of_response

DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}


def response(status: int, body: Any, kind: bytes = b"application/json") -> Response:
    made = Response(status, {b"content-type": kind}, kind)
    made.body = body if isinstance(body, bytes) else json.dumps({"jsonrpc": "2.0", "id": 1, **body}).encode()
    return made


def error(code: int, **data: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": "x", "data": data}}


@pytest.mark.spec("DW-340", "DW-356")
@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (200, {"result": DISCOVERED}, Evidence.MODERN),
        (200, {"result": {"supportedVersions": ["2025-11-25"]}}, Evidence.LEGACY),
        (200, {"result": {}}, Evidence.LEGACY),
        (400, error(-32022, supported=["2026-07-28"]), Evidence.MODERN),
        (400, error(-32022, supported=["2025-11-25"]), Evidence.LEGACY),
        (400, error(-32022), Evidence.LEGACY),
        (400, error(-32022, supported=[[], {}, None, "2026-07-28"]), Evidence.MODERN),
        (400, error(-32022, supported=[{}]), Evidence.LEGACY),
        (400, error(-32020), Evidence.MODERN),
        (400, error(-32021), Evidence.MODERN),
        (404, error(-32601), Evidence.LEGACY),
        (200, error(-32601), Evidence.LEGACY),
        (400, error(-32600), Evidence.LEGACY),
        (400, b"", Evidence.LEGACY),
        (404, b"not json", Evidence.LEGACY),
        (405, b"", Evidence.LEGACY),
        (401, b"", Evidence.NONE),
        (403, error(-32020), Evidence.NONE),
        (429, b"", Evidence.NONE),
        (307, b"", Evidence.NONE),
        (500, error(-32603), Evidence.NONE),
        (503, b"", Evidence.NONE),
    ],
)
def test_what_an_answer_proves(status: int, body: Any, wanted: Evidence) -> None:
    verdict = of_response("s", response(status, body))
    assert verdict.evidence is wanted
    assert (verdict.problem is not None) is (wanted is Evidence.NONE)


@pytest.mark.spec("DW-342")
def test_credentials_are_no_evidence_but_a_reason() -> None:
    problem = of_response("s", response(401, b"")).problem
    assert problem is not None
    assert problem.reason is Reason.UPSTREAM_AUTH_FAILED


@pytest.mark.spec("DW-341")
def test_an_html_page_is_a_legacy_server_at_most() -> None:
    assert of_response("s", response(404, b"<html>", b"text/html")).evidence is Evidence.LEGACY
