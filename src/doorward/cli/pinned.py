"""HTTPS to the gateway of a configuration on this machine."""

import hashlib
import ssl
from http.client import HTTPSConnection  # noqa: TID251 - see client.py
from typing import Any

from doorward.cli.exit import CommandError, Exit
from doorward.cli.trust import TlsFiles


class PinnedConnection(HTTPSConnection):
    """HTTPS to whoever holds the key of one certificate, which the gateway's lock file names.

    The file that it was read from may hold another one by now: one that is bad, or not in force yet.

    No authority and no name has a say in that: it is stricter than both, and it works for the address that a
    listener is bound to, which no certificate names.
    """

    def __init__(self, host: str, port: int, timeout: float, certificate: str, files: TlsFiles) -> None:
        """`certificate`: SHA-256 in hexadecimal. Raises CommandError(USAGE) for files of no use."""
        self._pinned = certificate
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
        if hashlib.sha256(sock.getpeercert(binary_form=True)).hexdigest() != self._pinned:
            self.close()
            message = (
                f"{self.host}:{self.port} presents another certificate than the gateway of this configuration"
            )
            hint = "somebody else listens there, or the certificate was replaced just now: try once more"
            raise CommandError(Exit.UNREACHABLE, message, hint)
