"""What an issuer answers about an opaque token (RFC 7662), judged like a token of its own. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from doorward.identity import preparse
from doorward.identity.claims import first
from doorward.identity.issuers import IntrospectionSettings, IssuerSettings
from doorward.identity.verify import Verified, check_claims
from doorward.ports.fetch import Basic, Fetched, FetchFailed

MAX_BYTES: Final = 64 * 1024
INACTIVE_S: Final = 10.0
"""How long a token that does not count is not asked about again."""


PERSONAL: Final = frozenset(
    {"username", "preferred_username", "email", "given_name", "family_name", "auth_time", "amr", "sid", "act"}
)
"""What is said of a person, of a login, or of somebody in whose name others act: never of a program alone."""


class Inactive(ValueError):
    """The issuer does not stand for the token."""


def question(token: str, wanted: IntrospectionSettings) -> tuple[dict[str, str], Basic | None]:
    """The form to send (RFC 7662 section 2.1), and who we are where that is not in it."""
    form = {"token": token, "token_type_hint": "access_token"}
    if wanted.method == "basic":
        return form, Basic(wanted.client_id, wanted.client_secret)
    return {**form, "client_id": wanted.client_id, "client_secret": wanted.client_secret}, None


def adapted(settings: IssuerSettings) -> IssuerSettings:
    """RFC 7662 section 2.2 has names of its own, which count where the issuer's are missing. An answer
    without a subject is about the client itself."""
    preset = settings.preset
    return replace(
        settings,
        preset=replace(
            preset,
            subject=(*preset.subject, ("sub",), ("client_id",)),
            client=(*preset.client, ("client_id",)),
            scopes=(*preset.scopes, ("scope",)),
        ),
    )


def judge(
    answer: Fetched, settings: IssuerSettings, names: Mapping[str, str | None], resource: str, now: float
) -> Verified:
    """`settings`: as `adapted`. `names`: its issuers, exactly, each with its tenant.

    Raises FetchFailed for what is no answer, Inactive for a token that does not count, and Expired and
    ValueError for one that does not count here.
    """
    said = _said(answer)
    if said["active"] is False:
        raise Inactive("the issuer says that the token is not active")
    kind = said.get("token_type", "bearer")
    if type(kind) is not str or kind.lower() != "bearer":
        raise ValueError("the token is not one that is presented as Bearer (token_type)")
    if not PERSONAL.isdisjoint(said) and first(said, settings.preset.subject[:-1]) is None:
        # Without a subject it would be the client's own token, and no person's (`adapted`).
        raise ValueError("the answer is about a user whom it does not identify (sub)")
    issuer = said.get("iss", settings.issuer)
    if type(issuer) is not str or issuer not in names:
        raise ValueError("the answer names another issuer (iss)")
    return check_claims(said, settings, issuer, names[issuer], resource=resource, now=now)


def _said(answer: Fetched) -> dict[str, Any]:
    if answer.status != 200:
        raise FetchFailed(f"introspection answered with status {answer.status}")
    if answer.kind != "application/json":
        raise FetchFailed("introspection answered with something else than application/json")
    try:
        said = preparse.claims(answer.body)
    except ValueError as error:
        raise FetchFailed(f"introspection answered with something unreadable: {error}") from None
    if type(said.get("active")) is not bool:
        raise FetchFailed("introspection did not say whether the token is active")
    return said
