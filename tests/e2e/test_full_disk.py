"""A disk of its own that fills up under load: what is forwarded is on record, and what is not is said."""

import errno
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from doorward.audit.verifier import shown, verify
from tests.e2e.support.gateway import Gateway, running
from tests.e2e.support.ledger import Ledger, ledger
from tests.e2e.support.processes import wait_until
from tests.e2e.support.raw import call

SIZE = 24 * 1024 * 1024
WORKERS = 6
Disk = Callable[[dict[str, Any]], tuple[Gateway, Ledger]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """Starts a gateway, in front of a ledger, whose state has a disk of SIZE bytes for itself."""
    state = tmp_path / "gateway" / "state"
    state.mkdir(parents=True, mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", str(state)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system of its own can be mounted here: {mounted.stderr.strip()}")
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", "-l", str(state)], check=True)
        upstream = stack.enter_context(ledger())

        def launch(audit: dict[str, Any]) -> tuple[Gateway, Ledger]:
            grant = {"servers": ["files"], "tools": {"allow": ["*"]}}
            config = {
                "servers": {"files": {"url": upstream.url}},
                "agents": {"bot": {"grants": [grant]}},
                "audit": audit,
            }
            return stack.enter_context(running(tmp_path / "gateway", config)), upstream

        yield launch


def fill(gw: Gateway, per_cent: float) -> None:
    """Put something else on that disk, until so much of it is in use."""
    ballast = gw.folder / "state" / "ballast"
    ballast.unlink(missing_ok=True)
    taken = sum(path.stat().st_blocks * 512 for path in (gw.folder / "state").rglob("*") if path.is_file())
    ballast.write_bytes(bytes(max(0, int(SIZE * per_cent / 100) - taken)))


def fill_up(gw: Gateway) -> None:
    """To the last byte that is to be had."""
    with (gw.folder / "state" / "ballast").open("wb", buffering=0) as ballast:
        for size in (1 << 20, 1 << 12):
            try:
                while ballast.write(bytes(size)) == size:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - that is what ends the loop


def reason(answer: httpx2.Response) -> str:
    """Why a call was not made; empty when it was."""
    said = answer.json()
    return said["error"]["data"]["reason"] if "error" in said else ""


def test_the_fuller_it_is_the_less_is_forwarded(small_disk: Disk) -> None:
    gw, upstream = small_disk({})
    key, url = gw.key("bot"), f"{gw.url}/mcp/files"
    with httpx2.Client(timeout=30) as http:

        def becomes(tool: str, wanted: str) -> None:
            wait_until(
                lambda: reason(call(http, url, key, tool, {"id": tool})) == wanted, f"{tool}: {wanted!r}"
            )

        becomes("write", "")
        fill(gw, 95)
        wait_until(lambda: "every call waits" in gw.readyz().json()["evidence"], "it is said")
        becomes("write", "")
        fill(gw, 98.5)
        becomes("write", "audit_disk_low")
        becomes("read", "")
        fill(gw, 99.6)
        becomes("read", "audit_disk_low")
        assert gw.readyz().status_code == 503
        before = len(upstream.seen)
        assert reason(call(http, url, key, "write", {"id": "late"})) == "audit_disk_low"
        assert len(upstream.seen) == before
        fill(gw, 50)
        becomes("write", "")
    assert gw.stop() == 0


def test_no_forwarded_call_is_missing_when_it_is_full_to_the_last_byte(small_disk: Disk) -> None:
    never = {"strict_at": 100, "refuse_writes_at": 100, "refuse_all_at": 100}
    gw, upstream = small_disk({"disk": never})
    became: dict[str, str] = {}
    stopping = threading.Event()
    key = gw.key("bot")

    def work(worker: int) -> None:
        with httpx2.Client(timeout=30) as http:
            for count in range(100_000):
                if stopping.is_set():
                    return
                call_id = f"w{worker}-{count}"
                tool = "write" if worker % 2 else "read"
                answer = call(http, f"{gw.url}/mcp/files", key, tool, {"id": call_id}, id=call_id)
                became[call_id] = reason(answer)

    def refused() -> int:
        # Whichever notices first: the write that fails, or the look at the disk.
        return sum(what in {"audit_unavailable", "audit_disk_low"} for what in list(became.values()))

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for each in workers:
        each.start()
    try:
        wait_until(lambda: len(became) > 50, "some load")
        for _ in range(2):
            before = refused()
            fill_up(gw)
            # The room that the log has allocated beforehand is used up first: up to a megabyte.
            wait_until(lambda: refused() > before + 20, "refusals", timeout=120)  # noqa: B023 - called at once
            fill(gw, 20)
            done = len(became)
            wait_until(lambda: len(became) > done + 20, "it goes on")  # noqa: B023 - called at once
    finally:
        stopping.set()
        for each in workers:
            each.join(30)
    assert gw.stop() == 0

    records = gw.records()
    decided = {
        record["mcp"]["request_id"]: record["call_id"]
        for record in records
        if record["kind"] == "decision"
        and record["decision"]["effect"] == "permit"
        and "request_id" in record["mcp"]
    }
    settled = [record["call_id"] for record in records if record["kind"] == "outcome"]
    assert not set(upstream.seen) - set(decided)
    assert len(settled) == len(set(settled))
    for call_id in upstream.seen:
        told = became.get(call_id)
        assert (decided[call_id] in settled) == (told != "outcome_unrecorded"), (call_id, told)
    report = verify(gw.folder / "state" / "audit")
    assert report.sound, "\n".join(shown(report))
