"""Every reason code is documented, has one form on the wire, and is produced by some test."""

import sys
from pathlib import Path

import pytest

from doorward.model.reasons import REASONS, Reason
from doorward.pipeline.rescue import FORMS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import reference  # noqa: E402 - the script lies beside the tests, not in a package


def test_every_reason_has_its_facts_and_its_form() -> None:
    assert set(REASONS) == set(Reason)
    assert set(FORMS) == set(Reason)


def test_our_own_codes_lie_outside_the_reserved_range() -> None:
    # JSON-RPC 2.0: -32768..-32000 is reserved; of MCP's -32020..-32099 only the three defined ones are used.
    ours = {form.code for form in FORMS.values()} - {
        -32700,
        -32600,
        -32601,
        -32602,
        -32603,
        -32020,
        -32021,
        -32022,
    }
    assert ours
    assert all(not -32768 <= code <= -32000 for code in ours)


def test_the_page_is_the_one_that_the_code_writes() -> None:
    assert reference.REASONS_PAGE.read_text(encoding="utf-8") == reference.reasons_page()


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_produced_by_a_test(reason: Reason) -> None:
    me = Path(__file__)
    texts = (p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("*.py") if p != me)
    assert any(f"Reason.{reason.name}" in text or f'"{reason.value}"' in text for text in texts)
