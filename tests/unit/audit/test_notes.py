"""Signed notes: the text of C2SP's own example, and everything that is no note."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import notes
from doorward.audit.notes import Checkpoint, Note, NoteError, VerifierKey

ORIGIN = "doorward.dev/log/0123456789abcdef"
SEED, OTHER = b"\x01" * 32, b"\x02" * 32
ROOT = bytes(range(32))
TEXT = Checkpoint(ORIGIN, 42, ROOT).text
KEY = notes.verifier_key(ORIGIN, SEED)
# The key and note with which golang.org/x/mod tests its implementation.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FAMOUS = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
    "RZb6KE6RyyBwJnAM=\n"
)


def test_a_note_of_another_implementation() -> None:
    key = notes.parse_verifier_key(PETER)
    note = notes.parse_note(FAMOUS.encode())
    assert (key.name, key.text) == ("PeterNeumann", PETER)
    assert notes.signers(note, [KEY, key]) == [key]
    assert str(note) == FAMOUS


def test_sign_and_verify() -> None:
    note = signed(TEXT, SEED, OTHER)
    keys = [notes.verifier_key(ORIGIN, seed) for seed in (OTHER, SEED)]
    assert notes.signers(notes.parse_note(str(note).encode()), keys) == keys
    assert notes.parse_checkpoint(note.text) == Checkpoint(ORIGIN, 42, ROOT)
    assert notes.parse_verifier_key(KEY.text) == KEY


def test_who_is_not_known_has_not_signed() -> None:
    with pytest.raises(NoteError, match="no known key"):
        notes.signers(signed(TEXT, OTHER), [KEY])
    with pytest.raises(NoteError, match="no known key"):
        notes.signers(signed(TEXT, SEED), [])
    namesake = notes.verifier_key("doorward.dev/log/another", SEED)
    with pytest.raises(NoteError, match="no known key"):
        notes.signers(signed(TEXT, SEED), [namesake])


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    note = signed(TEXT, SEED, OTHER)
    changed = note._replace(text=TEXT.replace("42", "43"))
    with pytest.raises(NoteError, match="does not belong to this note"):
        notes.signers(changed, [KEY])
    once_more = Note(TEXT, (*note.signatures, note.signatures[0]._replace(signature=b"short")))
    with pytest.raises(NoteError, match="does not belong to this note"):
        notes.signers(once_more, [KEY])


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))), st.integers(1, 4))
def test_a_note_is_read_as_it_was_written(line: str, lines: int) -> None:
    note = signed(f"{line}\n" * lines, SEED)
    assert notes.parse_note(str(note).encode()) == note


@given(st.binary())
def test_hostile_bytes_are_refused_in_our_words(data: bytes) -> None:
    for content in (data, data + b"\n\n" + data, str(signed(TEXT, SEED)).encode() + data):
        try:
            note = notes.parse_note(content)
        except NoteError:
            continue
        assert str(note).encode() == content


SIGNED = str(Note(TEXT, (notes.sign(TEXT, ORIGIN, SEED),))).encode()
LINE = SIGNED.splitlines(keepends=True)[-1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty line"),
        (TEXT.encode(), "an empty line"),
        (TEXT.encode() + b"\n", "lines of signatures"),
        (SIGNED[:-1], "lines of signatures"),
        (SIGNED + b"\n", "lines of signatures"),
        (SIGNED.replace(b"\n", b"\r\n"), "an empty line"),
        (SIGNED.replace(b"42", b"4\t2"), "control characters"),
        (SIGNED.replace(b"42", b"4\xff2"), "UTF-8"),
        (SIGNED + b"-- name AAAAAAAA\n", "a dash, a name and base64"),
        (SIGNED + "— nameAAAAAAAA\n".encode(), "a dash, a name and base64"),
        (SIGNED + "— na+me AAAAAAAA\n".encode(), "no spaces and no plus"),
        (SIGNED + "— na\u00a0me AAAAAAAA\n".encode(), "no spaces and no plus"),
        (SIGNED + "—  AAAAAAAA\n".encode(), "not empty"),
        (SIGNED + "— name AAAA\n".encode(), "too short"),
        (SIGNED + "— name AAAAAAA\n".encode(), "no base64"),
        (SIGNED + "— name AAAAAAA=\n\n".encode(), "lines of signatures"),
        (SIGNED + "— name AAAAAB==\n".encode(), "as it is written"),
        (SIGNED + "— name AAAA AAAA\n".encode(), "no base64"),
        (SIGNED + LINE * 16, "too many signatures"),
        (b"a" * (64 * 1024) + SIGNED, "too long"),
    ],
)
def test_what_is_no_note(data: bytes, words: str) -> None:
    with pytest.raises(NoteError, match=words):
        notes.parse_note(data)


def test_empty_lines_belong_to_the_text() -> None:
    note = signed("one\n\ntwo\n", SEED)
    assert notes.parse_note(str(note).encode()).text == "one\n\ntwo\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "three lines"),
        (TEXT[:-1], "three lines"),
        (TEXT + "extension\n", "three lines"),
        (TEXT.replace(ORIGIN, ""), "no origin"),
        (TEXT.replace("42", ""), "no number"),
        (TEXT.replace("42", "042"), "no number"),
        (TEXT.replace("42", "-42"), "no number"),
        (TEXT.replace("42", "+42"), "no number"),
        (TEXT.replace("42", "4 2"), "no number"),
        (TEXT.replace("42", "٤٢"), "no number"),
        (TEXT.replace("42", "0x2a"), "no number"),
        (TEXT.replace("42", "9" * 5000), "no number"),
        (TEXT.replace("42", str(1 << 63)), "no size"),
        (f"{ORIGIN}\n42\n{base64.b64encode(b'short').decode()}\n", "root of 32 bytes"),
        (f"{ORIGIN}\n42\n\n", "root of 32 bytes"),
        (f"{ORIGIN}\n42\nnot base64\n", "no base64"),
    ],
)
def test_what_is_no_checkpoint(text: str, words: str) -> None:
    with pytest.raises(NoteError, match=words):
        notes.parse_checkpoint(text)


def test_the_checkpoint_of_an_empty_log() -> None:
    assert notes.parse_checkpoint(Checkpoint(ORIGIN, 0, ROOT).text).size == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "joined by plus signs"),
        ("name+00000000", "joined by plus signs"),
        ("name+00000000+AAAA", "not one of Ed25519"),
        (f"name+00000000+{base64.b64encode(bytes([4]) + bytes(32)).decode()}", "not one of Ed25519"),
        (KEY.text.replace(KEY.key_id.hex(), "00000000"), "does not belong"),
        (KEY.text.replace(KEY.key_id.hex(), KEY.key_id.hex().upper()), "does not belong"),
        (f" {KEY.text}", "no spaces"),
        (f"{KEY.text}\n", "no base64|as it is written"),
    ],
)
def test_what_is_no_verifier_key(text: str, words: str) -> None:
    with pytest.raises(NoteError, match=words):
        notes.parse_verifier_key(text)


def test_a_key_that_is_no_point_of_the_curve_has_signed_nothing() -> None:
    key = VerifierKey(ORIGIN, b"\x02" + bytes(31))
    signature = notes.Signature(ORIGIN, key.key_id, bytes(64))
    with pytest.raises(NoteError, match="does not belong to this note"):
        notes.signers(Note(TEXT, (signature,)), [key])


@pytest.mark.parametrize("text", ["", "no end", "a\tb\n"])
def test_only_texts_are_signed(text: str) -> None:
    with pytest.raises(NoteError, match="text ends in a line feed"):
        notes.sign(text, ORIGIN, SEED)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\x00b", "a\u2003b"])
def test_names_that_no_key_has(name: str) -> None:
    with pytest.raises(NoteError, match="a key's name"):
        notes.verifier_key(name, SEED)


def signed(text: str, *seeds: bytes) -> Note:
    return Note(text, tuple(notes.sign(text, ORIGIN, seed) for seed in seeds))
