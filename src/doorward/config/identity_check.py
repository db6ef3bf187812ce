"""What `auth`, `people` and the scopes of servers need from other sections of the document."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from doorward.config.explain import Finding
from doorward.config.places import Path
from doorward.config.values import is_loopback

_TEMPLATE = "{tenantid}"


def check_identity(data: dict[str, Any]) -> Iterator[Finding]:
    """Tolerates any shape, as `check.py` does."""
    auth, gateway = _mapping(data.get("auth")), _mapping(data.get("gateway"))
    yield from _auth(data, auth, gateway)
    issuers = [_mapping(each) for each in _list(auth.get("issuers"))]
    for index, issuer in enumerate(issuers):
        yield from _issuer(("auth", "issuers", index), issuer, issuers[:index])
    known = [each["issuer"] for each in issuers if isinstance(each.get("issuer"), str)]
    for name, agent in _mapping(data.get("agents")).items():
        for index, match in enumerate(_list(_mapping(agent).get("match"))):
            yield from _match(("agents", name, "match", index), _mapping(match), auth, known)
    for index, person in enumerate(_list(data.get("people"))):
        yield from _person(("people", index), _mapping(person), known)
    for name, server in _mapping(data.get("servers")).items():
        if _mapping(server).get("scopes") and not issuers:
            message = "scopes need auth.issuers: keys and certificates have none, and all of them would pass"
            yield Finding(("servers", name, "scopes"), message, at_key=True)


def _auth(data: dict[str, Any], auth: dict[str, Any], gateway: dict[str, Any]) -> Iterator[Finding]:
    if isinstance(data.get("auth"), dict) and not any(
        auth.get(each) not in (None, []) for each in ("keys", "certificates", "issuers")
    ):
        message = "auth needs at least one of keys, certificates and issuers: nobody could come in"
        yield Finding(("auth",), message, at_key=True)
    if auth.get("certificates") is True and "client_ca" not in _mapping(gateway.get("tls")):
        hint = "add gateway.tls with client_ca, the authorities that issue the certificates of clients"
        yield Finding(("auth", "certificates"), "certificates need gateway.tls.client_ca", hint, at_key=True)
    if not auth.get("issuers"):
        return
    url = gateway.get("public_url")
    if url is None:
        hint = "add gateway.public_url: tokens are made for this URL, and are refused anywhere else"
        yield Finding(("auth", "issuers"), "issuers need gateway.public_url", hint, at_key=True)
    elif isinstance(url, str) and url.lower().startswith("http:") and not _is_loopback(url):
        hint = "whoever sees a bearer token has it: use https, on a listener of ours or at a proxy"
        message = "with issuers public_url must be https, or on this machine"
        yield Finding(("gateway", "public_url"), message, hint)


def _issuer(path: Path, issuer: dict[str, Any], before: list[dict[str, Any]]) -> Iterator[Finding]:
    name, tenants = issuer.get("issuer"), issuer.get("tenants")
    if any(_names(each) & _names(issuer) for each in before):
        yield Finding((*path, "issuer"), "this issuer is here twice")
    templated = isinstance(name, str) and _TEMPLATE in name
    if templated and not tenants:
        hint = "without it everybody whom this provider serves could come in"
        yield Finding((*path, "issuer"), "an issuer with {tenantid} needs tenants beside it", hint)
    if tenants and isinstance(name, str) and not templated:
        message = "tenants go with an issuer that has {tenantid} in it"
        yield Finding((*path, "tenants"), message, at_key=True)
    if isinstance(name, str) and name.replace(_TEMPLATE, "").count("{"):
        yield Finding((*path, "issuer"), "only {tenantid} is special in an issuer")
    if issuer.get("preset") == "entra" and not issuer.get("audience"):
        hint = "its tokens name the application and never a URL: add audience: [APPLICATION-ID]"
        yield Finding((*path, "preset"), "entra needs audience beside it", hint, at_key=True)


def _names(issuer: dict[str, Any]) -> set[str]:
    """Every `iss` that it stands for: of two entries nobody could say which judges its tokens."""
    name, tenants = issuer.get("issuer"), _list(issuer.get("tenants"))
    if not isinstance(name, str):
        return set()
    return {name, *(name.replace(_TEMPLATE, tenant) for tenant in tenants if isinstance(tenant, str))}


def _match(path: Path, match: dict[str, Any], auth: dict[str, Any], known: list[str]) -> Iterator[Finding]:
    of_token = [each for each in ("issuer", "client_id", "sub", "claims") if each in match]
    if "certificate" in match:
        if of_token:
            message = f"{of_token[0]} is of a token, and this names a certificate: write two entries"
            yield Finding((*path, of_token[0]), message, at_key=True)
        if auth.get("certificates") is not True:
            hint = "write auth: {certificates: true}"
            yield Finding((*path, "certificate"), "a certificate counts with auth.certificates", hint, True)
        certificate = match["certificate"]
        if isinstance(certificate, dict) and len(certificate) != 1:
            message = "certificate needs exactly one of uri, dns, subject and sha256"
            yield Finding((*path, "certificate"), message, at_key=True)
        return
    if "issuer" not in match:
        yield Finding(path, "match needs issuer, or certificate")
        return
    yield from _known(path, match, known)
    if len(of_token) == 1:
        hint = 'add client_id; "*" is any client of this issuer'
        yield Finding(path, "match needs client_id, sub or claims beside issuer", hint)


def _person(path: Path, person: dict[str, Any], known: list[str]) -> Iterator[Finding]:
    yield from _known(path, person, known)
    if ("sub" in person) == ("group" in person):
        both = "this has both" if "sub" in person else "this has neither"
        yield Finding(path, f"people need exactly one of sub and group: {both}")
    if "servers" not in person and not person.get("grants"):
        hint = "add servers with tools, or grants; without an entry a human may have nothing called anyway"
        yield Finding(path, "this entry grants nothing", hint)


def _known(path: Path, entry: dict[str, Any], known: list[str]) -> Iterator[Finding]:
    issuer = entry.get("issuer")
    if isinstance(issuer, str) and issuer not in known:
        hint = f"issuers: {', '.join(known)}" if known else "there are no auth.issuers in this file"
        yield Finding((*path, "issuer"), "this is none of auth.issuers", hint)


def _is_loopback(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return True  # reported by the model


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
