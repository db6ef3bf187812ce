"""Receipts from a log as the gateway writes it."""

from pathlib import Path

import pytest

from doorward.app.evidence import NotInLog, anchors_of, log_of, prove, verifier_keys
from doorward.audit.verifier import Key, Receipt
from tests.unit.app.real_log import configured, written


def test_every_record_of_a_log_can_be_proven(tmp_path: Path) -> None:
    loaded = configured(tmp_path)
    ids = written(loaded, 40)
    log = log_of(loaded)
    keys = [Key.parse(key) for key in verifier_keys(log)]
    for call_id in (ids[0], ids[17], ids[-1]):
        receipt = Receipt.parse(prove(log, call_id, wait_s=0).text)
        receipt.check(keys)
        assert f'"id":"{call_id}"'.encode() in receipt.record
    with pytest.raises(NotInLog, match="no record of"):
        prove(log, "01a1ff57-45cf-7469-81a7-3a8fa7383ffe", wait_s=0)
    assert anchors_of(loaded) == []
