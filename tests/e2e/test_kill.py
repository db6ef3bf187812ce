"""kill -9 under load: no effect without its decision on record, no reply without its outcome."""

import threading
import time
from pathlib import Path

import httpx2

from tests.e2e.conftest import Start
from tests.e2e.support import servers
from tests.e2e.support.gateway import Gateway
from tests.e2e.support.processes import wait_until
from tests.e2e.support.raw import call

WORKERS = 6
ROUNDS = 3


def test_what_happened_is_on_record(start: Start, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir()
    grant = {"servers": ["files"], "tools": {"allow": ["write_*"]}}
    gw = start(
        {
            "servers": {"files": {"command": servers.files(documents)}},
            "agents": {"writer": {"grants": [grant]}},
        }
    )
    replied: list[str] = []
    for number in range(ROUNDS):
        replied += _load_and_kill(gw, number)
        gw.start()
    gw.stop()

    records = gw.records()
    decisions = {
        record["mcp"]["request_id"]: record["call_id"]
        for record in records
        if record["kind"] == "decision" and record["mcp"]["method"] == "tools/call"
    }
    outcomes = {record["call_id"] for record in records if record["kind"] == "outcome"}
    effects = {path.stem for path in documents.iterdir()}

    assert len(replied) > ROUNDS * WORKERS, "too little load to say anything"
    assert set(replied) <= effects
    assert effects - set(decisions) == set()
    assert [call_id for call_id in replied if decisions.get(call_id) not in outcomes] == []


def _load_and_kill(gw: Gateway, number: int) -> list[str]:
    """Ids of the calls that were answered before the gateway died."""
    replied: list[str] = []
    stopping = threading.Event()
    key = gw.key("writer")

    def work(worker: int) -> None:
        with httpx2.Client(timeout=10) as http:
            for count in range(100_000):
                if stopping.is_set():
                    return
                call_id = f"r{number}-w{worker}-{count}"
                arguments = {"path": f"{call_id}.txt", "text": "x"}
                try:
                    answer = call(http, f"{gw.url}/mcp/files", key, "write_file", arguments, id=call_id)
                except httpx2.HTTPError:
                    return
                if "result" in answer.json():
                    replied.append(call_id)

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for worker in workers:
        worker.start()
    # A different moment each round, after the first replies have come.
    wait_until(lambda: bool(replied), "the first reply")
    time.sleep(0.4 + 0.13 * number)
    gw.process.kill()
    stopping.set()
    for worker in workers:
        worker.join(30)
    return replied
