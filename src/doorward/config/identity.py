"""What `auth`, `agents.X.match` and `people` may say of who is asking."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from doorward.config.grants import Granted
from doorward.config.model import STRICT, one_of
from doorward.config.secret import Secret
from doorward.config.values import Duration, FilePath, GlobText, ScalarText, Yes, is_loopback, split_url

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""RFC 7518 and RFC 8037, asymmetric only: whoever can check a symmetric signature can make one."""
ANY: Final = "*"
"""As a client or a subject: any that there is. Otherwise both are compared character by character."""
MOST_SKEW_S: Final = 300.0
MOST_STALE_S: Final = 600.0
MOST_CACHE_S: Final = 60.0
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,128}")  # RFC 6749 section 3.3, scope-token
_PART: Final = re.compile(r"(?:[^.\\]|\\[.\\])+")
_THUMBPRINT: Final = re.compile(r"[0-9a-f]{64}")


def claim_path(text: str) -> tuple[str, ...]:
    r"""The member names of `realm_access.roles`; `\.` is a dot within a name. Raises ValueError."""
    found, at = [], 0
    while match := _PART.match(text, at):
        found.append(re.sub(r"\\(.)", r"\1", match[0]))
        at = match.end()
        if at == len(text):
            return tuple(found)
        if text[at] != ".":
            break
        at += 1
    raise ValueError(r"expected names of claims joined with dots; write \. for a dot within a name")


def _claim_name(text: str) -> str:
    claim_path(text)
    return text


def _endpoint(url: str) -> str:
    """Secrets and keys come from there: nobody on the way may read or change them."""
    parts = split_url(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("expected an https URL; http is accepted for this machine only")
    return url


def _issuer(url: str) -> str:
    _endpoint(url)
    if urlsplit(url).query or "?" in url:
        raise ValueError("an issuer has no query (RFC 8414 section 2)")
    return url


def _scope(text: str) -> str:
    if not _SCOPE.fullmatch(text):
        raise ValueError('a scope is one word of ASCII characters without " and \\ (RFC 6749 section 3.3)')
    if text == "offline_access":
        raise ValueError("offline_access is between a client and its issuer: it opens nothing here")
    return text


def _filled(text: str) -> str:
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError("expected text without blanks around it")
    return text


def _thumbprint(text: str) -> str:
    """As openssl writes it, too."""
    plain = text.replace(":", "").lower()
    if not _THUMBPRINT.fullmatch(plain):
        raise ValueError("expected the 64 hexadecimal digits of a SHA-256")
    return plain


def _short(limit: float, words: str) -> AfterValidator:
    def check(seconds: float) -> float:
        if seconds > limit:
            raise ValueError(f"this must be at most {words}")
        return seconds

    return AfterValidator(check)


EndpointUrl = Annotated[str, AfterValidator(_endpoint), Field(json_schema_extra={"format": "uri"})]
IssuerUrl = Annotated[str, AfterValidator(_issuer), Field(json_schema_extra={"format": "uri"})]
ScopeText = Annotated[str, AfterValidator(_scope)]
Filled = Annotated[str, AfterValidator(_filled)]
ClaimName = Annotated[str, AfterValidator(_claim_name)]
Thumbprint = Annotated[str, AfterValidator(_thumbprint)]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Skew = Annotated[Duration, _short(MOST_SKEW_S, "5m")]
Staleness = Annotated[Duration, _short(MOST_STALE_S, "10m")]
Cache = Annotated[Duration, _short(MOST_CACHE_S, "1m")]
Claimed = Annotated[
    tuple[ScalarText, ...],
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value]),
    Field(strict=False, min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                {"type": "array", "items": {"type": ["string", "number", "boolean"]}, "minItems": 1},
            ]
        }
    ),
]
"""One value, or a list of them."""


class Introspection(BaseModel):
    """How opaque tokens of an issuer are asked about (RFC 7662)."""

    model_config = STRICT

    endpoint: EndpointUrl | None = None
    """Where to ask. Default: what the issuer's metadata says."""
    client_id: Filled
    """Who we are to the issuer."""
    client_secret: Secret
    """Our secret. Write ${env:NAME} or ${file:PATH}, not the secret."""
    auth: Literal["basic", "post"] = "basic"
    """How client_id and client_secret are sent (RFC 6749 section 2.3.1)."""
    cache: Cache = 60.0
    """How long an answer counts: a token that is revoked there works no longer than that. At most 1m."""


class Claims(BaseModel):
    r"""Where an issuer's tokens say what, as dotted paths (\. for a dot within a name)."""

    model_config = STRICT

    subject: ClaimName | None = None
    """Who it is. Default: sub, or what the preset says."""
    client: ClaimName | None = None
    """The OAuth client. Default: client_id, or what the preset says."""
    scopes: ClaimName | None = None
    """Text of words, or a list. Default: scope, or what the preset says."""
    groups: ClaimName | None = None
    """A list. Default: groups, or what the preset says."""
    tenant: ClaimName | None = None
    """The customer within the issuer. Default: none, or what the preset says."""
    roles: ClaimName | None = None
    """A list. Default: roles, or what the preset says."""
    actor: ClaimName | None = None
    """Who acts for the subject. Default: act (RFC 8693 section 4.1)."""


class Issuer(BaseModel):
    """An authorization server whose access tokens are accepted."""

    model_config = STRICT

    issuer: IssuerUrl
    """What iss of its tokens says, character by character. {tenantid} stands for one of tenants."""
    preset: Literal["entra", "okta", "keycloak", "auth0", "generic"] = "generic"
    """Whose product it is: how its claims are called, and which typ its tokens have."""
    audience: tuple[Filled, ...] = Field((), strict=False)
    """Values of aud that are accepted beside the URL of the endpoint, for issuers that cannot bind a token to
    it. Default: none."""
    algorithms: tuple[Algorithm, ...] = Field(ALGORITHMS, strict=False, min_length=1)
    """Signatures that are accepted. Default: every asymmetric one of RFC 7518 and EdDSA."""
    typ: tuple[Filled, ...] | None = Field(None, strict=False, min_length=1)
    """Values of a token's typ that are accepted. Default: at+jwt, or what the preset says."""
    jwks_uri: EndpointUrl | None = None
    """Where its keys are. Default: what its metadata says."""
    single_key: bool = False
    """Whether tokens without kid are checked with its only key."""
    introspection: Introspection | None = None
    """How to ask about opaque tokens. Default: they are refused."""
    claims: Claims = Claims()
    """Where its tokens say what, where that differs from the preset."""
    tenants: tuple[Filled, ...] = Field((), strict=False)
    """What {tenantid} of issuer may be."""
    ca: FilePath | None = None
    """PEM file with the authorities to trust when asking it. Default: the system's."""
    skew: Skew = 30.0
    """How far its clock may differ from ours; at most 5m."""
    actors: Literal["record", "known"] = "record"
    """record: an actor who matches no agent is recorded and bounds nothing. known: it is refused."""


class Auth(BaseModel):
    """How callers are known. At least one of keys, certificates and issuers."""

    model_config = STRICT

    keys: Yes | None = None
    """Accept keys made with `doorward keys create`."""
    certificates: Yes | None = None
    """Know callers without a key or token by the client certificate of our own TLS listener."""
    stale_after: Staleness = 60.0
    """How long known callers stay known while the store or introspection cannot be reached; at most 10m."""
    issuers: tuple[Issuer, ...] = Field((), strict=False)
    """Authorization servers whose access tokens are accepted. Needs gateway.public_url."""


class CertificateMatch(BaseModel):
    """A name in a client certificate: exactly one of the four."""

    model_config = ConfigDict(**STRICT, json_schema_extra=one_of("uri", "dns", "subject", "sha256"))

    uri: GlobText | None = None
    """An alternative name of type URI, such as a SPIFFE id; * is any run of characters."""
    dns: GlobText | None = None
    """An alternative name of type DNS; * is any run of characters."""
    subject: GlobText | None = None
    """The subject as RFC 4514 writes it; * is any run of characters."""
    sha256: Thumbprint | None = None
    """The certificate itself, by the SHA-256 of its DER form."""


class Match(BaseModel):
    """Which tokens, or which client certificates, are an agent. All that is said must hold."""

    model_config = ConfigDict(**STRICT, json_schema_extra=one_of("issuer", "certificate"))

    issuer: IssuerUrl | None = None
    """One of auth.issuers."""
    client_id: Filled | None = None
    """The OAuth client; "*" for any."""
    sub: Filled | None = None
    """The subject; "*" for any."""
    claims: dict[ClaimName, Claimed] = {}
    """Values that claims must have, by dotted path: one of a list; of a claim that is a list, one in it."""
    certificate: CertificateMatch | None = None
    """A client certificate, in place of all the others."""


class Person(Granted):
    """Some people, and what agents may do for them. Entries that fit the same human add up."""

    model_config = ConfigDict(json_schema_extra=one_of("sub", "group"))

    issuer: IssuerUrl
    """One of auth.issuers."""
    sub: Filled | None = None
    """The human's subject; "*" for every human of this issuer."""
    group: Filled | None = None
    """Every human in this group."""
