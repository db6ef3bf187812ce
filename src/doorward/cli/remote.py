"""GET from a gateway by its URL: any machine's, with the trust that a URL asks for."""

import ssl
from http.client import (  # noqa: TID251 - a command may block, and starts faster without a client library
    HTTPConnection,
    HTTPException,
    HTTPSConnection,
)
from typing import Final
from urllib.parse import urlsplit

from doorward.cli.client import Answer
from doorward.cli.exit import CommandError, Exit
from doorward.cli.trust import TlsFiles

MAX_BYTES: Final = 1 << 20
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def get(url: str, credential: str | None, files: TlsFiles, timeout: float = 10.0) -> Answer:
    """One answer; redirects are not followed, because a credential goes to whom it was meant for.

    Raises CommandError: USAGE for a URL or files of no use, UNREACHABLE.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and credential is not None and parts.hostname not in LOOPBACK:
        message = "a credential is not sent to another machine over plain http"
        raise CommandError(Exit.USAGE, message, "use the https URL of the gateway")
    connection = _connection(url, files, timeout)
    headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
    try:
        connection.request("GET", parts.path, None, headers)
        response = connection.getresponse()
        content = response.read(MAX_BYTES + 1)
    except (OSError, HTTPException) as error:
        why = str(error) or type(error).__name__
        raise CommandError(Exit.UNREACHABLE, f"no answer from {parts.netloc}: {why}") from None
    finally:
        connection.close()
    if len(content) > MAX_BYTES:
        raise CommandError(Exit.UPSTREAM, f"the answer is larger than {MAX_BYTES} bytes")
    return Answer(response.status, response.headers.get_content_type(), content)


def _connection(url: str, files: TlsFiles, timeout: float) -> HTTPConnection:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise CommandError(Exit.USAGE, "expected a URL such as https://gateway.example.com/mcp")
    if parts.scheme == "http":
        return HTTPConnection(host, port, timeout=timeout)
    try:
        context = ssl.create_default_context(cafile=files.ca)
        if files.cert is not None:
            context.load_cert_chain(files.cert, files.key)
    except OSError as error:
        message = f"cannot use {', '.join(filter(None, files))}: {error}"
        raise CommandError(Exit.USAGE, message) from None
    return HTTPSConnection(host, port, timeout=timeout, context=context)
