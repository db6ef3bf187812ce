"""A stdio server that says what a call tells it to: see players.py. Standard library only."""

import json
import os
import sys

MODERN = "modern" in sys.argv[1:]
heard: list[str] = []


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def result(message: dict, said: dict) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": said}))


def play(message: dict) -> None:
    """Each line of the piece as often as it says, then nothing."""
    number = message["id"]
    for times, line in message["params"]["arguments"].get("play", [[1, ""]]):
        said = line or '{"jsonrpc":"2.0","id":$id,"result":{"content":[{"type":"text","text":"yours"}]}}'
        text = said.replace("$id", str(number)).replace("$next", str(number + 1))
        for at in range(times):
            say(text.replace("$n", str(at)))


for line in sys.stdin:
    heard.append(line)
    asked = json.loads(line)
    match asked.get("method"):
        case "server/discover" if MODERN:
            result(asked, {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        case "initialize":
            info = {"name": "player", "version": "1"}
            hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
            result(asked, hello)
        case "tools/call" if "tell" in asked["params"]["arguments"]:
            told = json.dumps({"heard": heard, "env": dict(os.environ), "arguments": sys.argv})
            result(asked, {"content": [{"type": "text", "text": told}]})
        case "tools/call":
            play(asked)
        case "tools/list":
            result(asked, {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})
        case _ if "id" in asked and "method" in asked:
            say(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "no"}}))
