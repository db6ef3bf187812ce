"""A stdio server that misbehaves as its arguments say; honest by default. Standard library only."""

import json
import os
import signal
import subprocess
import sys
import time

manners = set(sys.argv[1:])
state = {"calls": 0}


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
            say({"id": message["id"], "result": {"tools": [{"name": str(os.getpid())}]}})
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
