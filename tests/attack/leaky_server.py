"""A local server that spills what it knows to stderr and into every kind of answer. Standard library only."""

import json
import os
import sys

SPILL = os.environ["SPILL"]
"""What each place is to spill, as JSON: by the name of the place."""
spilled = json.loads(SPILL)
sys.stderr.write(f"starting with {spilled['stderr']} and {os.environ['BOX_TOKEN']}\n")
sys.stderr.flush()


def say(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
    sys.stdout.flush()


def call(asked: dict) -> None:
    """By `how`: a result, an error, a note before it, no JSON at all, or the end of the process."""
    number, how = asked["id"], asked["params"]["arguments"].get("how")
    sys.stderr.write(f"called: {line}\n")
    sys.stderr.flush()
    token = asked["params"].get("_meta", {}).get("progressToken")
    if how == "error":
        say({"id": number, "error": {"code": -32000, "message": spilled["message"], "data": spilled["data"]}})
    elif how == "noise":
        sys.stdout.write(f"{spilled['noise']} is no JSON\n")
        say({"id": number, "result": {"content": []}})
    elif how == "end":
        sys.stderr.write(f"dying of {spilled['stderr']}\n")
        sys.stderr.flush()
        os._exit(3)
    else:
        say({"method": "notifications/message", "params": {"level": "error", "data": spilled["log"]}})
        if token is not None:
            params = {"progressToken": token, "progress": 1, "message": spilled["progress"]}
            say({"method": "notifications/progress", "params": params})
        say({"id": number, "result": {"content": [{"type": "text", "text": spilled["result"]}]}})


for line in sys.stdin:
    asked = json.loads(line)
    match asked.get("method"):
        case "initialize":
            info = {"name": "leaky", "version": "1", "title": spilled["info"]}
            hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "logging": {}}}
            say({"id": asked["id"], "result": hello | {"serverInfo": info}})
        case "tools/list":
            tool = {"name": "echo", "description": spilled["description"], "inputSchema": {"type": "object"}}
            say({"id": asked["id"], "result": {"tools": [tool]}})
        case "tools/call":
            call(asked)
        case _ if "id" in asked and "method" in asked:
            say({"id": asked["id"], "error": {"code": -32601, "message": "no"}})
