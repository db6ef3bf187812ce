"""What `doorward audit verify` and `verify-receipt` ask of the offline verifier, a program of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from doorward.audit import verifier


class KeyInvalid(ValueError):
    """This is no verifier key."""


@dataclass(frozen=True, slots=True)
class Proven:
    """One record that its log is proven to hold."""

    number: int
    record: bytes
    origin: str


def verify_log(
    directory: Path, keys: Sequence[str], anchors: Sequence[Path], *, excerpt: bool
) -> tuple[verifier.Report, Mapping[str, object], Sequence[str]]:
    """The verdict, its members, and lines for people. Raises KeyInvalid."""
    report = verifier.verify(directory, keys=parsed(keys), anchors=anchors, excerpt=excerpt)
    return report, asdict(report), list(verifier.shown(report))


def verify_receipt(file: Path, keys: Sequence[str]) -> Proven:
    """Raises KeyInvalid, OSError for a file that cannot be read, ValueError for one that proves nothing."""
    trusted = parsed(keys)
    try:
        text = verifier.read_small(file).decode()
    except verifier.Unreadable as error:
        raise OSError(str(error)) from None
    found = verifier.Receipt.parse(text)
    found.check(trusted)
    return Proven(found.number, found.record, found.checkpoint.origin)


def parsed(keys: Sequence[str]) -> list[verifier.Key]:
    """Raises KeyInvalid."""
    try:
        return [verifier.Key.parse(text) for text in keys]
    except ValueError as error:
        raise KeyInvalid(f"not a verifier key: {error}") from None
