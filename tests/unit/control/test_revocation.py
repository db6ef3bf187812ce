"""A key revoked by another process stops working within a second (the promise, with the real parts)."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from doorward.backends.files.read import read_records
from doorward.backends.files.ring import FileRing
from doorward.backends.files.segments import SegmentLog
from doorward.backends.sql.sqlite import open_sqlite
from doorward.control.key_rules import Configured
from doorward.control.keys import Wanted, create_key
from doorward.control.roles import Operator, Role
from doorward.control.watch import StoreWatch
from doorward.identity.directory import KeyDirectory
from doorward.model.call import Credential
from doorward.model.errors import CallerError
from doorward.model.grants import AgentRules
from doorward.model.reasons import Reason

REVOKE = """
import sys, time
from pathlib import Path
from doorward.backends.sql.sqlite import open_sqlite
from doorward.control.keys import revoke_key
from doorward.control.roles import Operator, Role
store = open_sqlite(Path(sys.argv[1]))
revoke_key(store, sys.argv[2], by=Operator("", "anna", Role.OWNER, "cli"), now=time.time())
print(time.time(), flush=True)
"""


@pytest.mark.asyncio
async def test_a_key_revoked_by_another_process_stops_working_within_a_second(tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "doorward.db")
    ring = FileRing(tmp_path / "secrets.json")
    log = SegmentLog(tmp_path / "audit")
    configured = Configured({"coder": AgentRules("coder", ())}, ())
    anna = Operator("", "anna", Role.OWNER, "cli")
    made = create_key(store, ring, configured, Wanted(agent="coder"), by=anna, now=time.time())
    directory = KeyDirectory(mode="keys", ring=ring, agents=frozenset({"coder"}))
    watch = StoreWatch(
        store, log, apply=lambda facts: directory.replace(facts.keys), confirm=directory.confirm
    )
    await watch.look()
    credential = Credential(made.text, "127.0.0.1", True, False)
    assert directory.identify(credential).key_id == made.record.id

    watching = asyncio.create_task(watch.run())
    arguments = [sys.executable, "-c", REVOKE, str(tmp_path / "doorward.db"), made.record.id]
    revoking = asyncio.create_task(asyncio.to_thread(subprocess.check_output, arguments))
    refused: CallerError | None = None
    async with asyncio.timeout(30):
        while refused is None:
            await asyncio.sleep(0.005)
            try:
                directory.identify(credential)
            except CallerError as error:
                refused = error
    refused_at = time.time()
    assert refused.reason is Reason.CREDENTIAL_REVOKED
    assert refused_at - float(await revoking) < 1.0
    # And its record was in the log before the key stopped working.
    assert [
        b'"key:create"' in line or b'"key:revoke"' in line for line in read_records(tmp_path / "audit")
    ] == [
        True,
        True,
    ]
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    await log.close()
    store.close()
