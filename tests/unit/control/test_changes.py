"""The record of what an operator changes."""

import json

from doorward.audit import records
from doorward.control.changes import change_record


def test_it_says_who_did_what_to_what_and_when() -> None:
    line = change_record("key:revoke", "key:a", records.Actor("root", "cli"), 1.5, {"live": True}, None)
    said = json.loads(line)
    assert (said["kind"], said["action"], said["object"], said["ts"]) == (
        "change",
        "key:revoke",
        "key:a",
        1500,
    )
    assert said["actor"] == {"subject": "root", "method": "cli"}
    assert said["before"] == {"live": True}
    assert "after" not in said
    assert isinstance(records.decode(line), records.Change)
