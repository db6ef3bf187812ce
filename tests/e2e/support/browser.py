"""Somebody at a browser: follows redirects, fills in forms, and says where it was sent in the end."""

import base64
import hashlib
import secrets
import ssl
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

CALLBACK = "http://127.0.0.1:9/callback"
"""Where most clients are redirected to. Nobody listens there: the last redirect is what they get."""
_STEPS = 20


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = said.get("action")
        elif tag == "input" and (name := said.get("name")) is not None:
            self.fields[name] = said.get("value") or ""


class Browser:
    """With cookies, so that who has signed in once stays signed in."""

    def __init__(self, login: str, password: str = "any", verify: ssl.SSLContext | bool = True) -> None:
        self._known = {"login": login, "username": login, "password": password}
        # Browsers trust this machine as they trust https (Secure Contexts, section 3.1).
        cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._http = httpx2.Client(timeout=60, follow_redirects=False, verify=verify, cookies=cookies)
        self.pages = 0
        """How many forms were filled in."""

    def visit(self, url: str) -> str:
        """Signs in and agrees to everything; where that leads in the end, which is not visited. Fails the
        test when that is not the redirect_uri of `url`."""
        (callback,) = parse_qs(urlsplit(url).query)["redirect_uri"]
        answer = self._http.get(url)
        for _ in range(_STEPS):
            if answer.is_redirect:
                target = str(answer.url.join(answer.headers["location"]))
                if target.startswith(callback):
                    return target
                answer = self._http.get(target)
            else:
                answer = self._submit(answer)
        raise AssertionError(f"still at {answer.url} after {_STEPS} steps")

    def _submit(self, page: httpx2.Response) -> httpx2.Response:
        form = _Form(page.text)
        assert page.status_code == 200, f"{page.status_code} at {page.url}: {page.text[:2000]}"
        assert form.action, f"nothing to fill in at {page.url}: {page.text[:2000]}"
        self.pages += 1
        known = {name: value for name, value in self._known.items() if name in form.fields}
        return self._http.post(str(page.url.join(form.action)), data={**form.fields, **known})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()


def authorize(browser: Browser, endpoint: str, client: str, **asked: str) -> dict[str, str]:
    """An authorization request of a public client with PKCE (RFC 7636), and what it sends to the token
    endpoint then, beside its name. Fails the test when the issuer does not say who it is (RFC 9207)."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": CALLBACK,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "state": state,
        **asked,
    }
    came = parse_qs(urlsplit(browser.visit(f"{endpoint}?{urlencode(query)}")).query)
    assert came["state"] == [state], came
    assert endpoint.startswith(came["iss"][0]), came
    return {"code": came["code"][0], "code_verifier": verifier, "redirect_uri": CALLBACK}
