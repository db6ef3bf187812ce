"""What `doorward audit hash` works on: the store and the ring of a configuration."""

import time

from doorward.app.outbox import opened
from doorward.app.terminal import operator
from doorward.audit.records import Actor
from doorward.config.load import Loaded
from doorward.control import hashes


def hash_value(loaded: Loaded, tenant: str, quarter: str | None, data: bytes) -> list[hashes.Hashed]:
    """Once the use of the key is on record, or waits for a running gateway to record it.

    Raises ValueError for a quarter that is none, NoKey, GatewayError.
    """
    now = time.time()
    at = hashes.quarter(quarter, now)
    with opened(loaded, "audit hash") as (store, ring):
        return hashes.hash_value(
            store, ring, tenant=tenant, at=at, data=data, actor=Actor(operator(), "cli"), now=now
        )
