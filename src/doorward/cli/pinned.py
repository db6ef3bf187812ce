"""HTTPS to the gateway of a configuration on this machine."""

import ssl
from http.client import HTTPSConnection  # noqa: TID251 - see client.py
from pathlib import Path
from typing import Any

from doorward.cli.exit import CommandError, Exit
from doorward.cli.trust import TlsFiles


class PinnedConnection(HTTPSConnection):
    """HTTPS to whoever holds the key of one certificate, which we have read from the gateway's own file.

    No authority and no name has a say in that: it is stricter than both, and it works for the address that a
    listener is bound to, which no certificate names.
    """

    def __init__(self, host: str, port: int, timeout: float, certificate: str, files: TlsFiles) -> None:
        """Raises CommandError(USAGE | UNREACHABLE) for files that cannot be used."""
        self._pinned = _leaf(certificate)
        self._file = certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # `connect` compares the whole certificate
        context.set_alpn_protocols(["http/1.1"])
        if files.cert is not None:
            try:
                context.load_cert_chain(files.cert, files.key)
            except OSError as error:
                message = f"cannot use {', '.join(filter(None, files[1:]))}: {error}"
                raise CommandError(Exit.USAGE, message) from None
        super().__init__(host, port, timeout=timeout, context=context)

    def connect(self) -> None:
        """Raises CommandError(UNREACHABLE) before a byte of the request is sent to anybody else."""
        super().connect()
        sock: Any = self.sock
        if sock.getpeercert(binary_form=True) != self._pinned:
            self.close()
            message = f"{self.host}:{self.port} presents another certificate than {self._file}"
            hint = "it has not read the file again yet, or somebody else listens there"
            raise CommandError(Exit.UNREACHABLE, message, hint)


def _leaf(file: str) -> bytes:
    """The first certificate of a PEM file as DER."""
    try:
        text = Path(file).read_text(encoding="ascii", errors="replace")
        start = text.index(ssl.PEM_HEADER)
        end = text.index(ssl.PEM_FOOTER, start) + len(ssl.PEM_FOOTER)
        return ssl.PEM_cert_to_DER_cert(text[start:end])
    except (OSError, ValueError):
        message = f"{file}, the gateway's certificate, cannot be read"
        raise CommandError(Exit.UNREACHABLE, message) from None
