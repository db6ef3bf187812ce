"""TLS towards servers. The host name is always checked; there is no switch for it."""

import ssl
from pathlib import Path
from typing import Final

VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def build_context(
    ca: str | None = None, cert: str | None = None, key: str | None = None, min_version: str = "1.3"
) -> ssl.SSLContext:
    """A client context that trusts `ca` (a PEM file) instead of the system's authorities when it is given.

    Raises OSError for files that cannot be read, ssl.SSLError for what is in them, ValueError for a version
    other than "1.2" and "1.3".
    """
    if min_version not in VERSIONS:
        raise ValueError(f"TLS version {min_version!r}: use 1.2 or 1.3")
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = VERSIONS[min_version]
    context.set_alpn_protocols(["http/1.1"])
    if cert is not None:
        # An empty passphrase: without one OpenSSL would ask the terminal for it.
        context.load_cert_chain(cert, key, password="")
    return context


def said(error: ssl.SSLError) -> str:
    """What went wrong, in OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or "refused").lower().replace("_", " ")


class ReloadingContext:
    """A context that is built again when its files change. A broken new file keeps the old context in use."""

    def __init__(
        self, ca: str | None = None, cert: str | None = None, key: str | None = None, min_version: str = "1.3"
    ) -> None:
        """Raises what `build_context` raises: a configuration that cannot work is refused at start. Without
        files nothing can be wrong with it, and it is made when it is asked for."""
        self._arguments = (ca, cert, key, min_version)
        self._stamp = self._look()
        self._context = build_context(*self._arguments) if any(self._arguments[:3]) else None
        self.problem: str | None = None
        """Why the newest files are not in use, for `status`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReloadingContext) and self._arguments == other._arguments

    def __hash__(self) -> int:
        return hash(self._arguments)

    @property
    def stale(self) -> bool:
        """Whether the next call makes one, which may take 20 ms."""
        return self._context is None or self._look() != self._stamp

    def __call__(self) -> ssl.SSLContext:
        stamp = self._look()
        if self._context is None:
            self._context = build_context(*self._arguments)
        elif stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = build_context(*self._arguments)
                self.problem = None
            except (
                OSError
            ) as error:  # ssl.SSLError is one: a half-written pair must not cut off a working server
                self.problem = str(error)
        return self._context

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._arguments[:3])


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
