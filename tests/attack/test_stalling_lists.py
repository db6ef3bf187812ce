"""Long lists hold nobody up: not when they are read, worked out, compared, decided nor shown.

As test_stalls.py measures it: the longest turn of the gateway's loop, of its own processor's time, and twice
what the rule allows for a body of that size.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from doorward.catalog.keeper import RECENT_S
from tests.attack.stalling import Watched, watched

MOST_S = {2_500: 2 * 0.005, 10_000: 2 * 0.025}
"""By the number of tools: some 1 MB and some 4 MB."""
LIST = b'{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}'


def tools(number: int, turn: int = 0) -> list[dict[str, Any]]:
    """Some 400 bytes each; the first of them changes with `turn`."""
    properties = {f"parameter_{n}": {"type": "string", "description": "What it is."} for n in range(3)}
    schema = {"type": "object", "properties": properties, "required": ["parameter_0"]}
    return [
        {
            "name": f"look_up_{n}",
            "description": f"Looks something up and tells what it found, in words. {turn if not n else 0}",
            "inputSchema": schema,
            "annotations": {"readOnlyHint": True},
        }
        for n in range(number)
    ]


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("stalls")) as made:
        yield made


def listed(gateway: Watched, number: int) -> float:
    """Asks until it is there; the longest turn meanwhile."""
    longest, shown = 0.0, 0
    until = time.monotonic() + 60
    while shown != number:
        assert time.monotonic() < until, f"{shown} of {number} tools"
        status, answer, held = gateway.call(LIST)
        assert status == 200, answer[:300]
        longest, shown = max(longest, held), len(json.loads(answer)["result"]["tools"])
    return longest


@pytest.mark.parametrize("number", MOST_S)
def test_no_list_holds_the_loop(gateway: Watched, number: int) -> None:
    longest = []
    for turn in range(3):
        gateway.upstream.tools = tools(number - turn, turn)
        time.sleep(RECENT_S + 0.2)  # what is older is asked for again by whoever asks for it
        longest.append(listed(gateway, number - turn))

    # The first is new to the gateway altogether; then one has changed and one has gone.
    assert min(longest) < MOST_S[number], [f"{held * 1e3:.1f} ms" for held in longest]
