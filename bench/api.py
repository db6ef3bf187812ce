"""What somebody asks of the admin API all the while that calls are measured.

`api.py fill STATE COUNT` puts so many keys into a gateway's store. `api.py ask STATE` reads all of them, page
after page and again from the start, until its standard input ends; then it prints how many pages there were.
"""

import contextlib
import json
import os
import re
import sys
import threading
import time
from http.client import HTTPConnection  # noqa: TID251 - a client that costs next to nothing
from pathlib import Path

from doorward.backends.sql.sqlite import open_sqlite
from doorward.identity import keys
from doorward.ports.store import KeyRecord

PEPPER = bytes(32)
PIECE = 16 * 1024
FOLLOWING = re.compile(rb'{"cursor":"([^"]+)"')


def fill(state: Path, count: int) -> None:
    """Keys that nobody has: what is shown of them is what costs. Returns when the gateway has taken them."""
    store = open_sqlite(state / "doorward.db")
    for number in range(count):
        key = keys.mint("live")
        record = KeyRecord(
            id=key.id,
            name=f"key{number}",
            agent="bench",
            environment="live",
            digest=PEPPER,
            pepper_version=1,
            created_at=time.time(),
            created_by="bench",
            expires_at=None,
            revoked_at=None,
            servers=("echo",),
            tools=("get_*", "list_*"),
            rate="100/min",
        )
        store.add_key(
            record, b'{"kind":"change","v":2,"id":"%s","ts":0,"tenant":"default"}' % key.id.encode()
        )
    while store.outbox(0, 1):
        time.sleep(0.05)
    store.close()


def stand_back() -> None:
    """What is measured is what the gateway's side of it does to calls, not what reading the answers does to
    the machine (sched(7), autogroup: this has a session of its own)."""
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def ask(state: Path) -> int:
    """Pages until standard input ends."""
    stand_back()
    address = json.loads((state / "lock").read_text())["admin"]
    headers = {"Authorization": f"Bearer {(state / 'operator.token').read_text().strip()}"}
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=60)
    ending = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ending.set()), daemon=True).start()
    pages, cursor = 0, ""
    while not ending.is_set():
        connection.request("GET", f"/api/v1/keys?limit=1000{cursor}", headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"the admin API answered {answer.status}")
        following = FOLLOWING.match(answer.read(PIECE))  # not parsed: that would be what is measured
        while answer.read(PIECE):
            time.sleep(0)
        pages += 1
        cursor = "" if following is None else f"&cursor={following[1].decode()}"
        if pages == 1:
            print("asking", flush=True)
    return pages


if __name__ == "__main__":
    verb, place, *rest = sys.argv[1:]
    if verb == "fill":
        fill(Path(place), int(rest[0]))
    else:
        print(json.dumps({"pages": ask(Path(place))}))
