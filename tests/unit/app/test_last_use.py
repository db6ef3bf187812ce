"""The last use of keys on its way to the store (app/last_use.py)."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from doorward.app.last_use import LastUse
from doorward.backends.memory.store import MemoryStore
from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason
from tests.contract.store import RECORD

pytestmark = pytest.mark.asyncio


class Flaky(MemoryStore):
    broken = False
    touched = 0

    def touch(self, last_used: Mapping[str, float]) -> None:
        if self.broken:
            raise GatewayError(Reason.STORE_UNAVAILABLE, "disk gone")
        self.touched += 1
        super().touch(last_used)


@pytest.fixture
def store() -> Flaky:
    store = Flaky()
    store.add_key(RECORD, b"{}")
    return store


async def test_the_store_is_told_the_last_of_several_uses(store: Flaky) -> None:
    use = LastUse(store)
    use.note({RECORD.id: 7.0})
    use.note({RECORD.id: 9.0})
    use.note({RECORD.id: 8.0})
    await use.tell()
    assert store.keys() == [replace(RECORD, last_used_at=9.0)]
    assert store.touched == 1


async def test_nobody_is_told_nothing(store: Flaky) -> None:
    use = LastUse(store)
    await use.tell()
    use.note({RECORD.id: 7.0})
    await use.tell()
    await use.tell()
    assert store.touched == 1


async def test_what_the_store_did_not_take_is_told_later(store: Flaky) -> None:
    use = LastUse(store)
    use.note({RECORD.id: 7.0, "other": 1.0})
    store.broken = True
    await use.tell()
    use.note({RECORD.id: 6.0})
    store.broken = False
    await use.tell()
    assert store.keys() == [replace(RECORD, last_used_at=7.0)]
