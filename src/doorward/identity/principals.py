"""From what an issuer vouches for to who is asking: subject, actors, agent, and who else must allow. Pure.

Authority is an intersection: the agent that presents the token, every actor that is known here, and every
human among them, subject or actor.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from doorward.identity import match
from doorward.identity.claims import first, names, optional, scopes, text, words
from doorward.identity.delegation import Link, chain
from doorward.identity.issuers import IssuerSettings
from doorward.identity.key_proofs import NO_TEAMS, TENANT
from doorward.identity.match import Person, TokenMatch
from doorward.identity.presets import Preset
from doorward.identity.verify import Verified
from doorward.model.bounds import Bounds
from doorward.model.errors import CallerError
from doorward.model.principal import Actor, ActorKind, Principal
from doorward.model.reasons import Reason

ROLE: Final = "role:"
"""What the roles of a token begin with among its groups, so that no group can be taken for one."""
_MOST_BOUNDS: Final = 4096
_TENANT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_People = tuple[tuple[str, ...], ...]
"""Of each human the names of the entries that fit."""


class Rules(msgspec.Struct, frozen=True):
    """What a configuration says of the callers that have tokens."""

    matches: tuple[TokenMatch, ...] = ()
    people: tuple[Person, ...] = ()
    teams: Mapping[str, str] = NO_TEAMS


class Said(msgspec.Struct, frozen=True):
    """Claims in our own terms."""

    subject: str
    client: str | None
    human: bool
    scopes: frozenset[str]
    groups: frozenset[str]
    tenant: str
    actors: tuple[Link, ...]


class Principals:
    """Makes principals under one configuration."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        # Equal bounds are one object: whoever remembers what they mean remembers it once for all tokens.
        self._bounds: dict[tuple[_People, tuple[str, ...], frozenset[str]], Bounds] = {}

    def make(self, verified: Verified, method: str) -> Principal:
        """`method`: "jwt" or "introspection".

        Raises ValueError for claims that cannot be used, CallerError(AGENT_UNMATCHED | ACTOR_UNKNOWN).
        """
        settings, claims = verified.settings, verified.claims
        said = interpret(claims, settings, verified.issuer)
        found = match.agents(self._rules.matches, settings.issuer, said.client, said.subject, claims)
        agent = match.only(found, f"client {said.client!r} of {verified.issuer}")
        actors = tuple(self._actor(link, verified) for link in said.actors)
        others = sorted({actor.agent for actor in actors if actor.agent is not None} - {agent})
        return Principal(
            said.tenant,
            said.subject,
            agent,
            method,
            actors=actors,
            client=said.client,
            issuer=verified.issuer,
            human=said.human,
            team=self._rules.teams.get(agent),
            groups=said.groups,
            strength="token" if verified.thumbprint is None else "bound token",
            acr=optional(claims.get("acr"), "acr"),
            amr=tuple(sorted(names(claims.get("amr"), "amr"))),
            bounds=self._bounded(self._people(verified, said, actors), tuple(others), said.scopes),
            token_id=optional(first(claims, settings.preset.token_id), "the token's id"),
            session_id=optional(claims.get("sid"), "sid"),
            expires_at=verified.until,
        )

    def _actor(self, link: Link, verified: Verified) -> Actor:
        settings, client = verified.settings, link.client or link.subject
        issuer = _configured(link.issuer, verified)
        found = match.agents(self._rules.matches, issuer, client, link.subject, link.claims)
        if len(found) > 1:
            match.only(found, f"actor {link.subject!r} of {link.issuer}")
        agent = next(iter(found), None)
        if agent is None and settings.known_actors:
            message = f"actor {link.subject!r} of {link.issuer} matches no agent"
            raise CallerError(Reason.ACTOR_UNKNOWN, message)
        # A match may be as wide as `*`: it makes an agent of nobody whom the issuer calls a person.
        person = link.kind is ActorKind.HUMAN
        kind = ActorKind.AGENT if agent is not None and not person else link.kind
        return Actor(link.issuer, link.subject, kind, link.client, agent)

    def _people(self, verified: Verified, said: Said, actors: tuple[Actor, ...]) -> _People:
        """The subject's first. An actor who is the subject is one human; of all others no group is known."""
        groups = {(verified.issuer, said.subject): said.groups} if said.human else {}
        for actor in actors:
            if actor.kind is ActorKind.HUMAN:
                groups.setdefault((actor.issuer, actor.subject), frozenset())
        return tuple(
            self._entries(_configured(issuer, verified), subject, known)
            for (issuer, subject), known in groups.items()
        )

    def _entries(self, issuer: str, subject: str, groups: frozenset[str]) -> tuple[str, ...]:
        return tuple(one.name for one in self._rules.people if one.fits(issuer, subject, groups))

    def _bounded(self, people: _People, agents: tuple[str, ...], granted: frozenset[str]) -> Bounds:
        key = people, agents, granted
        found = self._bounds.get(key)
        if found is None:
            if len(self._bounds) >= _MOST_BOUNDS:
                self._bounds.clear()
            found = self._bounds[key] = Bounds(people=people, agents=agents, scopes=granted)
        return found


def interpret(claims: Mapping[str, Any], settings: IssuerSettings, issuer: str) -> Said:
    """Raises ValueError for what is missing or cannot be read."""
    preset = settings.preset
    client = text(first(claims, preset.client), "the client")
    subject = text(first(claims, preset.subject), "the subject")
    machine = preset.machine(claims, subject, client)
    roles = names(first(claims, preset.roles), "roles")
    granted = scopes(first(claims, preset.scopes))
    if machine and preset.roles_are_scopes:
        granted |= words(roles)
    groups = frozenset(name for name in _groups(claims, settings, preset) if not name.startswith(ROLE))
    try:
        actors = chain(first(claims, preset.actor), issuer)
    except ValueError as error:  # somebody acts for somebody: at least that one is on record
        raise ValueError(f"{error}; subject {subject!r} and client {client!r} of {issuer}") from None
    return Said(
        subject,
        client,
        not machine,
        granted,
        groups | {ROLE + role for role in roles},
        _tenant(first(claims, preset.tenant)),
        actors,
    )


def _configured(issuer: str, verified: Verified) -> str:
    """As the configuration calls it: the token's own issuer may be one of a template."""
    return verified.settings.issuer if issuer == verified.issuer else issuer


def _tenant(said: Any) -> str:
    found = TENANT if said is None else text(said, "the tenant")
    if not _TENANT.fullmatch(found):
        raise ValueError("the tenant has characters that no tenant has")
    return found


def _groups(claims: Mapping[str, Any], settings: IssuerSettings, preset: Preset) -> frozenset[str]:
    """Of a token that only points to its groups (OpenID Connect Core 1.0 section 5.6.2; Entra's overage) they
    are not known. Where a rule depends on them, a group that denies would be missed."""
    said = first(claims, preset.groups)
    pointers = claims.get("_claim_names")
    points = type(pointers) is dict and "groups" in pointers
    if said is None and (points or claims.get("hasgroups") in (True, "true")) and settings.uses_groups:
        raise ValueError("the token points to its groups in place of naming them, and a rule depends on them")
    return names(said, "groups")
