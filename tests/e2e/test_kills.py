"""kill -9 at random points under load: no call is forwarded without its decision on record, ever.

DOORWARD_KILLS says how often (40; the long form is 200).
"""

import os
import random
import threading
import time

import httpx2
import pytest

from doorward.audit.verifier import Key, shown, verify
from tests.e2e.conftest import Start
from tests.e2e.support.gateway import Gateway
from tests.e2e.support.ledger import Ledger, ledger
from tests.e2e.support.processes import wait_until
from tests.e2e.support.raw import call
from tests.figures import show

KILLS = int(os.environ.get("DOORWARD_KILLS", "40"))
WORKERS = 6


@pytest.mark.timeout(60 + 20 * KILLS)
def test_no_forwarded_call_is_missing_however_often_the_gateway_is_killed(start: Start) -> None:
    chance = random.Random(11)
    with ledger() as upstream:
        grant = {"servers": ["files"], "tools": {"allow": ["*"]}}
        gw = start({"servers": {"files": {"url": upstream.url}}, "agents": {"bot": {"grants": [grant]}}})
        keys = gw.run("audit", "keys").split()
        answered: set[str] = set()
        for number in range(KILLS):
            answered |= _load_and_kill(gw, upstream, number, chance.uniform(0.0, 0.3))
            gw.start(settled=False)
        gw.stop()
        seen = set(upstream.seen)

    decided: dict[str, str] = {}
    settled: set[str] = set()
    recovered = 0
    for record in gw.records():
        if record["kind"] == "decision" and record["mcp"].get("method") == "tools/call":
            decided[record["mcp"]["request_id"]] = record["call_id"]
        elif record["kind"] == "outcome":
            settled.add(record["call_id"])
        elif record["kind"] == "lifecycle":
            recovered += record["event"] == "log_recovered"
    missing = seen - set(decided)
    show("evidence", kills=KILLS, missing_records=len(missing), forwarded_calls=len(seen))
    assert len(seen) > KILLS * WORKERS, "too little load to say anything"
    assert len(upstream.seen) == len(seen), "a call was repeated"
    assert not missing
    assert not {call_id for call_id in answered if decided[call_id] not in settled}
    assert recovered == KILLS
    report = verify(gw.folder / "state" / "audit", keys=[Key.parse(key) for key in keys])
    assert report.sound, "\n".join(shown(report))
    assert report.sealed == report.records


def _load_and_kill(gw: Gateway, upstream: Ledger, number: int, after_s: float) -> set[str]:
    """Ids of the calls that were answered before the gateway died, `after_s` after the first was seen."""
    answered: list[str] = []
    stopping = threading.Event()
    before = len(upstream.seen)
    key = gw.key("bot")

    def work(worker: int) -> None:
        with httpx2.Client(timeout=10) as http:
            for count in range(100_000):
                if stopping.is_set():
                    return
                call_id = f"r{number}-w{worker}-{count}"
                tool = "write" if worker % 2 else "read"  # a strict call, or a buffered one
                try:
                    answer = call(http, f"{gw.url}/mcp/files", key, tool, {"id": call_id}, id=call_id)
                except httpx2.HTTPError:
                    return
                if "result" in answer.json():
                    answered.append(call_id)

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(upstream.seen) > before, "the first call")
    time.sleep(after_s)
    gw.process.kill()
    stopping.set()
    for worker in workers:
        worker.join(30)
    return set(answered)
