"""Node's parsers, in one process for as many questions as there are."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tests.attack.framing.view import End, Message, View, fields, last

SCRIPT = Path(__file__).with_name("framing.mjs")
REQUESTS, RESPONSES = b"q", b"s"


class Node:
    """Answers in the order of the questions."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def ask(self, kind: bytes, inputs: Sequence[bytes]) -> list[View]:
        """How Node reads each of the inputs. Raises RuntimeError when Node has ended."""
        writer = Thread(target=self._write, args=(kind, inputs), daemon=True)
        writer.start()
        assert self._process.stdout is not None
        found = []
        for _ in inputs:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError("Node ended")
            found.append(_view(kind, json.loads(line)))
        writer.join()
        return found

    def _write(self, kind: bytes, inputs: Sequence[bytes]) -> None:
        assert self._process.stdin is not None
        for data in inputs:
            self._process.stdin.write(len(data).to_bytes(4, "big") + kind + data)
        self._process.stdin.flush()


@contextmanager
def running(node: str) -> Iterator[Node]:
    """`node` is the path of the program."""
    command = [node, "--no-warnings", str(SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Node(process)
        finally:
            process.kill()


def _view(kind: bytes, said: dict[str, Any]) -> View:
    gather = fields if kind == REQUESTS else last
    messages = tuple(
        Message(
            tuple(_bytes(part) for part in one["start"]),
            gather((_bytes(name), _bytes(value)) for name, value in one["fields"]),
            _bytes(one["body"]),
        )
        for one in said["messages"]
    )
    return View(messages, End(said["end"]), said["why"])


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
