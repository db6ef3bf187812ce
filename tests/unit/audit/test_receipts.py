"""A receipt is read by the verifier, which shares no code with its writer."""

from hashlib import sha256
from pathlib import Path

import pytest

from doorward.audit.merkle import inclusion_proof, leaf_hash, root_of
from doorward.audit.receipts import receipt
from doorward.audit.tiles import TiledTree
from doorward.audit.verifier import Key, Receipt, main
from tests.attack.logbook import Logbook, signing_key, verifier_key

KEY = Key.parse(verifier_key(signing_key(0)))


def made(book: Logbook, number: int) -> str:
    def hashes(height: int, index: int) -> bytes:
        return root_of(book.leaves[index << height : index + 1 << height])

    steps = inclusion_proof(hashes, number, len(book.leaves))
    return receipt(book.lines[number], number, steps, book.note())


@pytest.fixture
def book(tmp_path: Path) -> Logbook:
    book = Logbook(tmp_path / "audit")
    book.decisions(37)
    return book


@pytest.mark.parametrize("number", [0, 1, 17, 31, 32, 36, 37])
def test_every_record_has_one_that_proves_it(book: Logbook, number: int) -> None:
    found = Receipt.parse(made(book, number))
    found.check([KEY])
    assert (found.number, found.record) == (number, book.lines[number])
    assert leaf_hash(found.record) == book.leaves[number]


def test_it_proves_no_other_record_place_or_log(book: Logbook) -> None:
    text = made(book, 17)
    other = made(book, 18)
    swapped = "\n".join([*text.split("\n")[:1], other.split("\n")[1], *text.split("\n")[2:]])
    moved = text.replace("index 17", "index 16")
    for wrong in (swapped, moved):
        with pytest.raises(ValueError, match="does not lead"):
            Receipt.parse(wrong).check([KEY])
    with pytest.raises(ValueError, match="not signed"):
        Receipt.parse(text).check([Key.parse(verifier_key(signing_key(1)))])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@v1", "@v2"),
        ("index 17", "index 017"),
        ("index 17", "index -1"),
        ("extra ", "extra !"),
        ("\n\n", "\n"),
        ("\u2014", "-"),
        ("c2sp.org", ""),
    ],
)
def test_what_is_no_receipt_is_said_so(book: Logbook, old: str, new: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Receipt.parse(made(book, 17).replace(old, new, 1)).check([KEY])


def test_the_verifier_alone_judges_it(
    book: Logbook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "receipt"
    file.write_text(made(book, 17), "utf-8")
    assert main(["--receipt", str(file)]) == 2
    assert main(["--receipt", str(file), "--key", KEY.text]) == 0
    assert "sound: record 17" in capsys.readouterr().out
    file.write_text(made(book, 17).replace("index 17", "index 3"), "utf-8")
    assert main(["--receipt", str(file), "--key", KEY.text]) == 12


def test_a_tree_grown_by_tiles_is_the_one_of_the_definition(book: Logbook) -> None:
    tree = TiledTree()
    tree.extend(book.lines)
    assert tree.root() == root_of(book.leaves)
    assert tree.size == len(book.lines) == 38
    assert sha256(b"").digest() != tree.root()
