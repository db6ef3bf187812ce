"""Somebody at a browser: follows redirects, fills in forms, and says where it was sent in the end."""

import ssl
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import httpx2

CALLBACK = "http://127.0.0.1:9/callback"
"""Where clients are redirected to. Nobody listens there: the last redirect is what they get."""
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
        self._http = httpx2.Client(timeout=60, follow_redirects=False, verify=verify)
        self.pages = 0
        """How many forms were filled in."""

    def visit(self, url: str) -> str:
        """Signs in and agrees to everything; the URL at CALLBACK. Fails the test when no way leads there."""
        answer = self._http.get(url)
        for _ in range(_STEPS):
            if answer.is_redirect:
                target = str(answer.url.join(answer.headers["location"]))
                if target.startswith(CALLBACK):
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

    def close(self) -> None:
        self._http.close()


def came_back(url: str) -> dict[str, str]:
    """What stands in the query of a callback."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
