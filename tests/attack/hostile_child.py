"""A stdio server that misbehaves as its arguments say; honest by default. Standard library only."""

import json
import os
import signal
import subprocess
import sys
import time

manners = set(sys.argv[1:])
state = {"calls": 0, "umask": os.umask(0)}
os.umask(state["umask"])


def descriptors() -> list[int]:
    """Those that are open."""
    found = []
    for number in range(1024):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def escape(generations: int) -> list[int]:
    """Daemons in sessions of their own, each started by the one before it; their process ids."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        for _ in range(generations):
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # noqa: TID251 - no part of the event loop's process
                signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: TID251
                os.setsid()
                os.write(writer, b"%d\n" % os.getpid())
            else:
                os._exit(0)
        for standard in (0, 1, 2, writer):
            os.close(standard)
        time.sleep(60)
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as pids:
        return [int(pid) for pid in pids]


def say(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def call(message: dict) -> None:
    state["calls"] += 1
    arguments = message["params"].get("arguments", {})
    match arguments.get("do"):
        case "crash":
            sys.stderr.write("about to crash\n")
            sys.stderr.flush()
            os._exit(3)
        case "hang":
            return
        case "long":
            sys.stdout.write("x" * 200_000)
            sys.stdout.flush()
            return
        case "close":
            os.close(1)
            return
        case "endless":
            while True:
                os.write(1, b"x" * 65536)
        case "flood":
            line = json.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}) + "\n"
            while True:
                os.write(1, line.encode() * 500)
        case "flood-stderr":
            while True:
                os.write(2, b"x" * 65536)
        case "ask-on":
            while True:
                say({"id": "p", "method": "ping"})
        case "stop-reading":
            time.sleep(60)
        case "close-input":
            os.close(0)
            time.sleep(60)
        case "escape":
            state["escaped"] = escape(arguments.get("generations", 1))
        case "ask":
            say({"id": "q", "method": "sampling/createMessage", "params": {}})
            state["waiting"] = message["id"]
            return
        case "progress":
            token = message["params"]["_meta"]["progressToken"]
            for number in range(3):
                say(
                    {
                        "method": "notifications/progress",
                        "params": {"progressToken": token, "progress": number},
                    }
                )
        case "wrong":
            for wrong in (str(message["id"]), 777777, None):
                say({"id": wrong, "result": {"content": [{"type": "text", "text": "not yours"}]}})
    text = json.dumps(
        {
            "pid": os.getpid(),
            "calls": state["calls"],
            "env": sorted(os.environ),
            "cancelled": state.get("cancelled"),
            "escaped": state.get("escaped", []),
            "descriptors": descriptors(),
            "umask": os.umask(state["umask"]),
        }
    )
    say({"id": message["id"], "result": {"content": [{"type": "text", "text": text}]}})
    if arguments.get("do") == "twice":
        say({"id": message["id"], "result": {"content": []}})


def answer(message: dict) -> None:
    match message.get("method"):
        case "server/discover" if "dies-on-probe" in manners:
            sys.exit(1)
        case "server/discover" if "mute-on-probe" in manners:
            pass
        case "server/discover" if "modern" in manners:
            say(
                {
                    "id": message["id"],
                    "result": {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}},
                }
            )
        case "initialize" if "dies-at-once" in manners:
            sys.stderr.write("cannot start: no licence\n")
            sys.exit(1)
        case "initialize":
            result = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "child", "version": "1"},
            }
            say({"id": message["id"], "result": result})
        case "tools/call":
            call(message)
        case "tools/list":
            say(
                {
                    "id": message["id"],
                    "result": {"tools": [{"name": str(os.getpid()), "inputSchema": {"type": "object"}}]},
                }
            )
        case "notifications/cancelled":
            state["cancelled"] = message["params"]["requestId"]
        case None if message.get("id") == "q":
            say(
                {
                    "id": state["waiting"],
                    "result": {"content": [{"type": "text", "text": str(message["error"]["code"])}]},
                }
            )
        case _ if "id" in message and "method" in message:
            say({"id": message["id"], "error": {"code": -32601, "message": "no"}})


if "deaf" in manners:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # noqa: TID251 - this is no part of the event loop's process
if "parent" in manners:
    child = subprocess.Popen(["sleep", "60"])
    sys.stderr.write(f"grandchild {child.pid}\n")
if "noisy" in manners:
    sys.stdout.write('Welcome to the noisy server!\n\n{"half": \n[1,2]\n"jsonrpc"\n')
    sys.stdout.flush()
for line in sys.stdin:
    answer(json.loads(line))
if "deaf" in manners:
    time.sleep(60)
