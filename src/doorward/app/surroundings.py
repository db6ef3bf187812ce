"""What a configuration needs of the machine it runs on: files, directories and programs, looked for by name.

What would keep the whole gateway from starting is an error. What keeps one server down is a warning: the
others are served, and what is missing today may be there tomorrow.
"""

import errno
import ssl
from collections.abc import Iterator
from os import W_OK, X_OK, access, environ
from pathlib import Path
from typing import Final

from doorward.config.errors import ConfigError, Problem
from doorward.config.load import Loaded
from doorward.config.settings import Server
from doorward.upstream import launch
from doorward.upstream.tls import said

_MEMBERS: Final = ("ca", "cert", "key")


def surroundings(loaded: Loaded) -> list[Problem]:
    """Everything that is missing or of no use here, but for `gateway.tls` (see `tls_files`)."""
    found = [*_state(loaded), *_anchor(loaded), *_socket(loaded), *_issuers(loaded)]
    for name, server in loaded.settings.servers.items():
        if server.command is not None:
            found += _program(loaded, name, server)
        found += _tls(loaded, name, server)
    return found


def judged(problems: list[Problem]) -> list[Problem]:
    """The warnings, where there is nothing else. Raises ConfigError with all of them."""
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    return problems


def _state(loaded: Loaded) -> Iterator[Problem]:
    state = loaded.settings.gateway.state
    if state.exists() and not state.is_dir():
        yield loaded.problem(("gateway", "state"), f"{state} is no directory", "name one, or remove the file")


def _anchor(loaded: Loaded) -> Iterator[Problem]:
    """A warning only: what is not mounted now may be in a moment, and the log goes on without it."""
    anchor, state = loaded.settings.audit.anchor, loaded.settings.gateway.state
    if anchor is None:
        return
    message = hint = None
    if not anchor.is_dir():
        message = f"there is no directory {anchor} to anchor the audit log in"
        hint = "make or mount it; Doorward does not, so as not to write below a mount point"
    elif not access(anchor, W_OK | X_OK):
        message, hint = f"{anchor} is not ours to write in", "give us the directory, or name another one"
    elif anchor.stat().st_dev == _existing(state).stat().st_dev:
        message = f"{anchor} is on the same device as the audit log"
        hint = "whoever can change the one can change the other: name a directory on another volume or mount"
    if message is not None:
        yield loaded.problem(("audit", "anchor"), message, hint, warning=True)


def _existing(path: Path) -> Path:
    """The directory that it is in, or will be made in."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def _socket(loaded: Loaded) -> Iterator[Problem]:
    for index, listen in enumerate(loaded.settings.gateway.listen):
        if listen.path is not None and not listen.path.parent.is_dir():
            message = f"there is no directory {listen.path.parent} for the socket"
            at = (
                ("gateway", "listen", index)
                if ("gateway", "listen", 0) in loaded.places
                else ("gateway", "listen")
            )
            yield loaded.problem(at, message, "make it, or write another path")


def _program(loaded: Loaded, name: str, server: Server) -> Iterator[Problem]:
    assert server.command is not None
    at = ("servers", name)
    down = f"{name} is down until then; the other servers are served"
    folder = server.cwd or loaded.base
    if not folder.is_dir() or not access(folder, X_OK):
        what = "is not ours to enter" if folder.is_dir() else "is no directory" if folder.exists() else None
        message = f"there is no directory {folder}" if what is None else f"{folder} {what}"
        yield loaded.problem((*at, "cwd"), message, f"make it, or change cwd: {down}", warning=True)
        return  # a program may be looked for in it
    given = {variable: secret.reveal() for variable, secret in server.env.items()}
    try:
        launch.check(server.command[0], {**launch.environment(environ), **given}, str(folder))
    except OSError as error:
        written = loaded.places.written((*at, "command", 0))  # what a reference stands for is not repeated
        message = f'there is no program "{written}"' + ("" if "/" in server.command[0] else " on PATH")
        if error.errno == errno.EACCES:
            message = f'"{written}" is no file that we may run'
        hint = f"install it, or name it by its path: {down}"
        yield loaded.problem((*at, "command", 0), message, hint, warning=True)


def _tls(loaded: Loaded, name: str, server: Server) -> Iterator[Problem]:
    tls = server.tls
    if tls is None:
        return
    paths = dict(zip(_MEMBERS, (tls.ca, tls.cert, tls.key), strict=True))
    at = ("servers", name, "tls")
    faults = {member: _unreadable(path) for member, path in paths.items() if path is not None}
    for member, fault in faults.items():
        if fault is not None:
            yield loaded.problem((*at, member), fault)
    if tls.ca is not None and faults["ca"] is None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(tls.ca)
        except ssl.SSLError:
            yield loaded.problem((*at, "ca"), f"{tls.ca} holds no PEM certificates")
    if tls.cert is not None and tls.key is not None and faults["cert"] is None and faults["key"] is None:
        try:
            # An empty passphrase: without one OpenSSL would ask the terminal for it.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tls.cert, tls.key, password="")
        except ssl.SSLError as error:
            message = f"{tls.cert} and {tls.key} cannot be used together: {said(error)}"
            hint = "PEM: the certificate first in cert, its key without a passphrase in key"
            yield loaded.problem((*at, "cert"), message, hint)


def _issuers(loaded: Loaded) -> Iterator[Problem]:
    """Without its authorities an issuer cannot be asked, and none of its callers is let in."""
    for index, issuer in enumerate(loaded.settings.issuers):
        if issuer.ca is None:
            continue
        at = ("auth", "issuers", index, "ca")
        fault = _unreadable(issuer.ca)
        if fault is not None:
            yield loaded.problem(at, fault)
            continue
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(issuer.ca)
        except ssl.SSLError:
            yield loaded.problem(at, f"{issuer.ca} holds no PEM certificates")


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return None if file.read(1) else f"{path} is empty"
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
