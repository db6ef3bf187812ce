"""What is said about a key is true when a command returns, whoever has to make it so."""

import time
from pathlib import Path
from threading import Thread

from doorward.app.keys import open_keys
from doorward.app.outbox import PATIENCE_S
from doorward.app.state import paths
from doorward.backends.files.lock import Holder, StateLock
from doorward.backends.sql.sqlite import open_sqlite
from doorward.config.load import Loaded, parse
from doorward.control.keys import Wanted


def loaded(folder: Path) -> Loaded:
    return parse("version: 1\nagents: {a: {}}\n", path=folder / "doorward.yaml", environ={})


def lock(config: Loaded) -> StateLock:
    return StateLock(paths(config.settings).lock, Holder(0, "gateway", "now"))


def test_without_a_gateway_the_change_record_goes_into_the_log(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    with open_keys(config) as keys:
        record = keys.create(Wanted(agent="a"))
    segments = list(paths(config.settings).audit.glob("*.jsonl"))
    assert [record["id"] in segment.read_text() for segment in segments] == [True]


def test_a_gateway_is_waited_for(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    with open_keys(config) as keys:
        keys.create(Wanted(agent="a"))  # the first operator comes with the first change

    def gateway() -> None:
        store = open_sqlite(paths(config.settings).database)
        while not (waiting := store.outbox(0, 1)):
            time.sleep(0.005)
        time.sleep(0.1)
        store.outbox_done(waiting[-1].seq)
        store.close()

    with lock(config):
        thread = Thread(target=gateway)
        with open_keys(config) as keys:
            thread.start()
            keys.create(Wanted(agent="a"))
            began = time.monotonic()
        took = time.monotonic() - began
        thread.join()
    assert 0.05 < took < PATIENCE_S


def test_a_gateway_that_takes_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    with lock(config):
        with open_keys(config) as keys:
            keys.create(Wanted(agent="a"))
            began = time.monotonic()
        assert PATIENCE_S <= time.monotonic() - began < PATIENCE_S + 5
        with open_keys(config) as keys:
            assert len(keys.list()) == 1
