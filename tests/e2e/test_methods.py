"""Every method of every revision, with a server of either era: the table of docs/reference/methods.md."""

from pathlib import Path

import pytest

from doorward.wire import methods
from tests.e2e.support.methods import (
    ASKED,
    CAPABILITIES,
    MODERN_STORIES,
    STORIES,
    Stage,
    Talker,
    refused,
    unheard,
)
from tests.spec.peers import LATEST, MODERN
from tests.spec.world import world

QUESTIONS = methods.INPUT_REQUESTS
KNOWN = {name for table in methods.TABLES.values() for name in table} | QUESTIONS
NOT_OFFERED = {name for names in methods.NOT_OFFERED.values() for name in names}


def test_there_is_a_story_for_each_method() -> None:
    assert STORIES.keys() == KNOWN
    assert NOT_OFFERED.isdisjoint(KNOWN)


@pytest.mark.asyncio
@pytest.mark.parametrize("up", [LATEST, MODERN])
@pytest.mark.parametrize("down", methods.TABLES)
async def test_every_method(down: str, up: str, tmp_path: Path) -> None:
    talker = Talker(up)
    async with world(tmp_path, {"lab": talker.peer}, lab={"may_ask": list(ASKED)}) as made:
        stage = Stage(await made.client(version=down, **CAPABILITIES), talker)
        acts, results = dict(talker.peer.acts), dict(talker.peer.results)
        for method in [*STORIES, *NOT_OFFERED]:
            talker.peer.acts, talker.peer.results = dict(acts), dict(results)
            try:
                await told(method, stage)
            except (AssertionError, TimeoutError) as fault:
                fault.add_note(f"{method} of {down} at a server of {up}")
                raise


async def told(method: str, stage: Stage) -> None:
    modern = stage.client.modern
    if method in methods.TABLES[stage.client.version] or method in QUESTIONS:
        await (MODERN_STORIES if modern and method in MODERN_STORIES else STORIES)[method](stage)
    else:
        await (unheard if method.startswith("notifications/") else refused)(stage, method)
