"""The identity in a client certificate: DER in, typed names out. Pure.

The handshake has verified the chain; what is left is not to misread a name. A name that two readers could
understand differently (embedded NUL, line breaks, characters that are not shown) makes the whole certificate
unusable: an authority that signs such names cannot be trusted to have meant only one of the readings.
"""

import hashlib
import warnings
from collections.abc import Iterable
from typing import Final

from cryptography import x509

from doorward.model.certificate import ClientCertificate

MAX_BYTES: Final = 64 * 1024
MAX_NAMES: Final = 64
"""Alternative names of the three kinds together."""
MAX_NAME: Final = 2048
"""Characters of one name, the subject included (a SPIFFE id may have 2048 bytes)."""


def read(der: bytes) -> ClientCertificate:
    """What `der` says. Raises ValueError, whose text repeats nothing of the certificate."""
    if len(der) > MAX_BYTES:
        raise ValueError(f"the certificate is larger than {MAX_BYTES} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
    except x509.InvalidVersion:  # which is no ValueError
        raise ValueError("the certificate has a version that there is not") from None
    names = _alternative_names(certificate)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    dns = names.get_values_for_type(x509.DNSName) if names else []
    emails = names.get_values_for_type(x509.RFC822Name) if names else []
    if len(uris) + len(dns) + len(emails) > MAX_NAMES:
        raise ValueError(f"the certificate has more than {MAX_NAMES} alternative names")
    with warnings.catch_warnings():  # a name of an unusual length is none of whoever reads standard error
        warnings.simplefilter("ignore", UserWarning)
        subject, issuer = _written(certificate.subject), _written(certificate.issuer)
    _check((*uris, *dns, *emails), ascii_only=True)
    if not all((*uris, *dns, *emails)):
        raise ValueError("a name in the certificate is empty")
    return ClientCertificate(
        thumbprint=hashlib.sha256(der).hexdigest(),
        subject=subject,
        issuer=issuer,
        uris=tuple(uris),
        dns=tuple(name.lower() for name in dns),
        emails=tuple(emails),
        not_after=certificate.not_valid_after_utc.timestamp(),
    )


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    except x509.DuplicateExtension:
        raise ValueError("an extension of the certificate is there twice") from None


def _written(name: x509.Name) -> str:
    """RFC 4514. What it would escape and nobody should have signed (NUL) is refused like the rest."""
    _check((value for value in (part.value for part in name) if isinstance(value, str)), ascii_only=False)
    text = name.rfc4514_string()
    _check((text,), ascii_only=False)
    return text


def _check(names: Iterable[str], *, ascii_only: bool) -> None:
    for name in names:
        if len(name) > MAX_NAME:
            raise ValueError(f"a name in the certificate is longer than {MAX_NAME} characters")
        # RFC 5280 section 4.2.1.6: these three kinds are IA5String. Nor may what is not shown stand in a
        # subject: it ends in logs and on screens.
        if not name.isprintable() or (ascii_only and (not name.isascii() or " " in name)):
            raise ValueError("a name in the certificate has characters that do not belong there")
