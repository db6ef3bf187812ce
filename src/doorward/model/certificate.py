"""What a client's TLS certificate says of it."""

import msgspec


class ClientCertificate(msgspec.Struct, frozen=True, gc=False):
    """A certificate whose chain and proof of possession the TLS handshake has verified.

    A name in it is the word of the authority that issued it: compare whole names, exactly, and together with
    `issuer` where several authorities are trusted. `*` is only a character here.
    """

    thumbprint: str
    """SHA-256 of the DER form, 64 lower-case hexadecimal digits (base64url of the same bytes is the
    `x5t#S256` of RFC 8705)."""
    subject: str
    """RFC 4514, most specific part first; empty where the names stand in the alternative names only."""
    issuer: str
    """RFC 4514."""
    uris: tuple[str, ...]
    """Alternative names of type URI, such as SPIFFE ids, as they stand in the certificate."""
    dns: tuple[str, ...]
    """Alternative names of type DNS, in lower case."""
    emails: tuple[str, ...]
    """Alternative names of type rfc822Name, as they stand in the certificate."""
    not_after: float
    """Unix time after which it proves nothing."""
