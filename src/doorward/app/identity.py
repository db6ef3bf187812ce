"""The issuers of a configuration, as their settings say, and what lives longer than one configuration of
them: keys, connections, and the tasks that keep the keys recent.

Loaded only where issuers are configured.
"""

import asyncio
from collections.abc import Callable
from weakref import WeakSet

from doorward.app.callers import teams_of
from doorward.backends.web.fetch import WebFetch
from doorward.config.identity import Auth, Introspection, Issuer, claim_path
from doorward.config.load import Loaded
from doorward.config.settings import Settings
from doorward.identity.claims import Path
from doorward.identity.issuer_keys import IssuerKeys
from doorward.identity.issuers import IntrospectionSettings, IssuerSettings, settings
from doorward.identity.match import Person, TokenMatch, typed
from doorward.identity.principals import Principals, Rules
from doorward.identity.tokens import Tokens
from doorward.model.grants import PEOPLE
from doorward.ports.fetch import Fetch


class Issuers:
    """One for a process. `changed` is called when something that an issuer signed may count no more."""

    def __init__(self, changed: Callable[[], None], fetch: Fetch | None = None) -> None:
        self._fetch = fetch or WebFetch()
        self._changed = changed
        self._known: dict[IssuerSettings, IssuerKeys] = {}
        self._running: dict[IssuerSettings, asyncio.Task[None]] = {}
        self._made: WeakSet[Tokens] = WeakSet()

    def tokens(self, loaded: Loaded) -> Tokens:
        """What knows the tokens of this configuration. It begins with the keys that are here, so that a
        reload does not depend on issuers that are known already."""
        issuers = [self._keys_of(wanted) for wanted in issuers_of(loaded)]
        auth = loaded.settings.auth
        stale_after = auth.stale_after if isinstance(auth, Auth) else 0.0
        public_url = (loaded.settings.gateway.public_url or "").rstrip("/")
        made = Tokens(
            issuers,
            self._fetch,
            Principals(rules_of(loaded.settings)),
            lambda endpoint: f"{public_url}/mcp" if endpoint is None else f"{public_url}/mcp/{endpoint}",
            stale_after=stale_after,
        )
        self._made.add(made)
        return made

    def keep(self, loaded: Loaded) -> None:
        """Keep the keys of these issuers recent, and of no others. For a running event loop."""
        wanted = set(issuers_of(loaded))
        for gone in self._running.keys() - wanted:
            self._running.pop(gone).cancel()
        self._known = {one: keys for one, keys in self._known.items() if one in wanted}
        for one in wanted - self._running.keys():
            task = asyncio.get_running_loop().create_task(self._keys_of(one).run())
            task.add_done_callback(_ended)
            self._running[one] = task

    def troubles(self) -> dict[str, str]:
        """By issuer, why its keys could not be had when it was last asked."""
        return {one.issuer: keys.failure for one, keys in self._known.items() if keys.failure is not None}

    async def close(self) -> None:
        tasks, self._running = [*self._running.values()], {}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for made in [*self._made]:
            await made.close()
        await self._fetch.close()

    def _keys_of(self, wanted: IssuerSettings) -> IssuerKeys:
        found = self._known.get(wanted)
        if found is None:
            found = IssuerKeys(wanted, self._fetch, self._changed)
            for known in self._known.values():
                found.succeed(known)
            self._known[wanted] = found
        return found


def _ended(running: asyncio.Task[None]) -> None:
    """A bug must not end in silence: these keys would grow old unnoticed."""
    error = None if running.cancelled() else running.exception()
    if error is not None:
        message = "an issuer's keys are no longer kept recent: restart"
        running.get_loop().call_exception_handler({"message": message, "exception": error, "task": running})


def issuers_of(loaded: Loaded) -> list[IssuerSettings]:
    """In the order of the document."""
    return [_issuer(one, loaded) for one in loaded.settings.issuers]


def _issuer(said: Issuer, loaded: Loaded) -> IssuerSettings:
    paths: dict[str, Path] = {
        name: claim_path(text) for name, text in said.claims.model_dump().items() if text is not None
    }
    asked = said.introspection
    return settings(
        said.issuer,
        said.preset,
        paths=paths,
        typ=None if said.typ is None else frozenset(said.typ),
        audience=frozenset(said.audience),
        algorithms=frozenset(said.algorithms),
        jwks_uri=said.jwks_uri,
        single_key=said.single_key,
        introspection=None if asked is None else _introspection(asked),
        tenants=said.tenants,
        ca=None if said.ca is None else str(said.ca),
        skew=said.skew,
        known_actors=said.actors == "known",
        uses_groups=_uses_groups(said.issuer, loaded.settings, paths.get("groups", ("groups",))),
    )


def _introspection(said: Introspection) -> IntrospectionSettings:
    secret = said.client_secret.reveal()
    return IntrospectionSettings(said.client_id, secret, said.endpoint, said.auth, said.cache)


def _uses_groups(issuer: str, document: Settings, path: Path) -> bool:
    """Whether it matters which groups a token of this issuer names."""
    return any(one.issuer == issuer and one.group is not None for one in document.people) or any(
        entry.issuer == issuer and path in map(claim_path, entry.claims)
        for agent in document.agents.values()
        for entry in agent.match
    )


def rules_of(document: Settings) -> Rules:
    """What the document says of callers that have tokens."""
    matches = tuple(
        TokenMatch(
            name,
            entry.issuer,
            entry.client_id,
            entry.sub,
            tuple((claim_path(path), frozenset(map(typed, values))) for path, values in entry.claims.items()),
        )
        for name, agent in document.agents.items()
        for entry in agent.match
        if entry.issuer is not None
    )
    people = tuple(
        Person(f"{PEOPLE}{number}", one.issuer, one.sub, one.group)
        for number, one in enumerate(document.people)
    )
    return Rules(matches, people, teams_of(document))
