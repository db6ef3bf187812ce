"""The URIs under which the aggregate endpoint shows what its servers call otherwise.

`file:///a` of server `docs` is `docs+file:///a` there, and `ui://card` is `ui://docs/card`, because hosts
know MCP Apps by that scheme (SEP-1865; research brief 5). All URIs are written so, whoever else lists them:
what they are called does not depend on which servers there are. Templates (RFC 6570) go the same way: text is
added in front of their first expression only, so what is expanded from one is what its server would expand.

The servers' names have no `+`, `/` or `.` (config/settings.py), so there is one way to read each form,
whatever a server puts into its URIs.
"""

import re
from typing import Final

_UI: Final = "ui://"
_PLUS: Final = "+"
_ESCAPE: Final = "x."
"""In front of a server's name that begins with no letter: as RFC 3986 has it, every scheme does (3.1)."""
_ODD: Final = re.compile(
    r"%(?:2[DE]|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])"  # of what needs no escape
    r"|(?:\A|[/\\:]|%2F|%5C)\.{1,2}(?:\Z|[/\\?#]|%2F|%5C)"  # a dot segment, however it is cut off
    r"|\Afile:(?://(?!/)[^/?#]++|//(?=/)|(?!//))[^?#]*//",  # an empty one, which no file system sees
    re.IGNORECASE,
).search


def expose(server: str, uri: str) -> str:
    """A server's own URI or URI template, as the aggregate shows it. No two of them have one form."""
    if uri.startswith(_UI):
        return f"{_UI}{server}/{uri[len(_UI) :]}"
    return f"{_scheme(server)}{_PLUS}{uri}"


def own(exposed: str) -> tuple[str, str] | None:
    """The server's name and its own URI; None for what `expose` makes of nothing.

    Whether there is such a server is not known here.
    """
    if exposed.startswith(_UI):
        server, slash, rest = exposed[len(_UI) :].partition("/")
        return (server, _UI + rest) if server and slash else None
    scheme, plus, uri = exposed.partition(_PLUS)
    server = scheme.removeprefix(_ESCAPE)
    if not (server and plus) or _scheme(server) != scheme or uri.startswith(_UI):
        return None
    return server, uri


def _scheme(server: str) -> str:
    return server if server[0].isalpha() else _ESCAPE + server


def reads_one_way(uri: str) -> bool:
    """Whether a rule about its text is a rule about what a server makes of it (RFC 3986 section 6.2.2).

    `file:///docs/../etc` fits `file:///docs/*` and is `/etc`; `file:///%73ecret` does not fit
    `file:///secret`, and is it. Nothing is rewritten: what is inspected is what is sent.
    """
    scheme = uri.partition(":")[0]
    return scheme == scheme.lower() and _ODD(uri) is None
