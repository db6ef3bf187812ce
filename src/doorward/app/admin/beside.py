"""The admin plane of a configuration, opened beside a gateway."""

import time
from collections.abc import Callable

from doorward.app.admin import place
from doorward.app.admin.answers import Answers
from doorward.app.admin.bootstrap import ensure_owner
from doorward.app.admin.messages import Hello
from doorward.app.admin.plane import AdminPlane
from doorward.app.state import paths
from doorward.audit.records import Actor
from doorward.config.settings import Settings
from doorward.ports.secrets import SecretRing
from doorward.ports.store import Store
from doorward.upstream.warden import Warden

STARTED: Actor = Actor("doorward", "serve")
"""Who makes the first operator of a gateway that nobody has used yet."""


class Administration:
    """The admin plane of one gateway."""

    def __init__(
        self, store: Store, ring: SecretRing, warden: Warden, answers: Callable[[], Answers]
    ) -> None:
        """`answers` is asked for once, when the plane is opened."""
        self._store = store
        self._ring = ring
        self._warden = warden
        self._answers = answers
        self.plane: AdminPlane | None = None
        """While it listens."""

    def open(self, settings: Settings, say: Callable[[str], None]) -> str:
        """Where operators are listened to from now on; "" where the configuration wants none. `say` takes
        lines for the operator.

        Raises OSError for an address that cannot be had, GatewayError(STORE_UNAVAILABLE).
        """
        wanted = settings.gateway.admin
        if wanted is False:
            return ""
        where = paths(settings)
        listening = place.bind(wanted.listen)
        ensure_owner(where.root, self._store, self._ring, actor=STARTED, now=time.time(), say=say)
        address = place.name(listening)
        if wanted.listen is None and address != str(place.DEFAULT):
            say(f"doorward: {place.DEFAULT} is taken, so operators are listened to at {address}")
        hello = Hello(str(where.database.absolute()), str(where.ring.absolute()), address)
        self.plane = AdminPlane(listening, hello, self._answers().verbs(), say, self._warden)
        self.plane.attend()
        return address

    async def close(self) -> None:
        """Safe to call twice."""
        plane, self.plane = self.plane, None
        if plane is not None:
            await plane.close()
