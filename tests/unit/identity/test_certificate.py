import hashlib
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.identity import certificate
from tests.unit.identity.pki import Authority

AUTHORITY = Authority("Staff, and others")


def raw_name(tag: int, content: bytes) -> bytes:
    """One GeneralName (RFC 5280 section 4.2.1.6): 1 rfc822Name, 2 dNSName, 6 URI."""
    return bytes([0x80 | tag, len(content)]) + content


def with_raw_names(*names: bytes) -> bytes:
    """A certificate whose alternative names no library would write."""
    content = b"".join(names)
    value = (
        b"\x30" + (bytes([len(content)]) if len(content) < 128 else b"\x81" + bytes([len(content)])) + content
    )
    extension = x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), value)
    return AUTHORITY.issue(extensions=[extension]).der


def test_names_are_typed_and_the_thumbprint_is_that_of_openssl() -> None:
    issued = AUTHORITY.issue(
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ähre, Sons + Co"),
                x509.NameAttribute(NameOID.COMMON_NAME, "bot"),
            ]
        ),
        [
            x509.UniformResourceIdentifier("spiffe://example.org/Team/bot"),
            x509.DNSName("Bot.Example.ORG"),
            x509.RFC822Name("Bot@example.org"),
            x509.DNSName("*.example.org"),
        ],
    )
    found = certificate.read(issued.der)

    assert found.thumbprint == hashlib.sha256(issued.der).hexdigest()
    assert found.subject == "CN=bot,O=Ähre\\, Sons \\+ Co"
    assert found.issuer == "CN=Staff\\, and others"
    assert found.uris == ("spiffe://example.org/Team/bot",)
    assert found.dns == ("bot.example.org", "*.example.org")
    assert found.emails == ("Bot@example.org",)
    assert found.not_after == issued.certificate.not_valid_after_utc.timestamp()


def test_a_certificate_without_alternative_names_has_none() -> None:
    found = certificate.read(AUTHORITY.issue("bot").der)
    assert (found.subject, found.uris, found.dns, found.emails) == ("CN=bot", (), (), ())


def test_an_empty_subject_is_one() -> None:
    sans = [x509.UniformResourceIdentifier("spiffe://example.org/bot")]
    assert certificate.read(AUTHORITY.issue(x509.Name([]), sans).der).subject == ""


@pytest.mark.parametrize("tag", [1, 2, 6])
@pytest.mark.parametrize(
    "content",
    [
        b"good.example\0.evil.example",
        b"good.example\n.evil.example",
        b"good.example evil.example",
        b"good.example\x7f",
        b"b\xc3\xbccher.example",
        b"\xff\xfe",
        b"",
    ],
)
def test_a_name_that_two_readers_could_read_differently_is_refused(tag: int, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        certificate.read(with_raw_names(raw_name(2, b"fine.example"), raw_name(tag, content)))


@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\u202e", "\u200b", "\u2028"])
def test_a_subject_that_does_not_show_what_it_says_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match="do not belong"):
        certificate.read(AUTHORITY.issue(f"a{character}b").der)


@pytest.mark.parametrize(
    ("sans", "message"),
    [
        ([x509.DNSName(f"h{n}.example") for n in range(65)], "more than 64"),
        ([x509.UniformResourceIdentifier("spiffe://example.org/" + "a" * 2048)], "longer than"),
        ([x509.DNSName(f"h{n}.example") for n in range(5000)], "larger than"),
    ],
)
def test_bounds(sans: Sequence[x509.GeneralName], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certificate.read(AUTHORITY.issue(sans=sans).der)


def test_as_many_names_as_are_allowed() -> None:
    assert (
        len(
            certificate.read(AUTHORITY.issue(sans=[x509.DNSName(f"h{n}.example") for n in range(64)]).der).dns
        )
        == 64
    )


def test_the_subject_of_a_refused_certificate_is_not_repeated() -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        certificate.read(AUTHORITY.issue("evil\nlog line").der)
    assert "evil" not in str(caught.value)


# What cryptography still reads and means to refuse one day is read here too: OpenSSL has judged it before.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_gives_an_error_or_the_names_of_what_is_there(data: st.DataObject) -> None:
    """Whatever the bytes are: a ValueError, or a value whose thumbprint is theirs. Nothing else."""
    der = bytearray(DAMAGED)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = certificate.read(bytes(der))
    except ValueError:
        return
    assert found.thumbprint == hashlib.sha256(der).hexdigest()
    assert all(name.isprintable() for name in (found.subject, found.issuer))
    assert all(name.isascii() and name.isprintable() for name in found.uris + found.dns + found.emails)


def test_a_country_of_unusual_length_is_no_news_on_standard_error() -> None:
    """cryptography warns of it, and warnings fail tests: its words would stand in a gateway's log."""
    country = DAMAGED.replace(b"\x55\x04\x03", b"\x55\x04\x06")
    assert certificate.read(country).subject == "C=bot"


DAMAGED = AUTHORITY.issue(
    "bot", [x509.UniformResourceIdentifier("spiffe://example.org/bot"), x509.DNSName("bot.example.org")]
).der
