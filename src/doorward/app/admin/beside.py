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


def open_plane(  # noqa: PLR0917 - what there is of a process, each thing once
    settings: Settings,
    store: Store,
    ring: SecretRing,
    answers: Answers,
    warden: Warden,
    say: Callable[[str], None],
) -> AdminPlane | None:
    """None where the configuration wants none. `say` takes lines for the operator.

    Raises OSError for an address that cannot be had, GatewayError(STORE_UNAVAILABLE).
    """
    wanted = settings.gateway.admin
    if wanted is False:
        return None
    where = paths(settings)
    listening = place.bind(wanted.listen)
    ensure_owner(where.root, store, ring, actor=STARTED, now=time.time(), say=say)
    address = place.name(listening)
    if wanted.listen is None and address != str(place.DEFAULT):
        say(f"doorward: {place.DEFAULT} is taken, so operators are listened to at {address}")
    hello = Hello(str(where.database.absolute()), str(where.ring.absolute()), address)
    plane = AdminPlane(listening, hello, answers.verbs(), say, warden)
    plane.attend()
    return plane
