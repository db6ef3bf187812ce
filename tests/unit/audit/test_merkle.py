"""Against the definition of RFC 6962 section 2.1, written down here as it stands there."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit import merkle

# The leaves and roots that Certificate Transparency's own implementations test against.
LEAVES = tuple(
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
)  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MOST = 70


def mth(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = largest_power_below(len(leaves))
    return hashlib.sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = largest_power_below(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = largest_power_below(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def records(count: int) -> list[bytes]:
    return [b"record %d" % number for number in range(count)]


def source(leaves: Sequence[bytes]) -> merkle.Hashes:
    def hashes(height: int, index: int) -> bytes:
        end = (index + 1) << height
        assert end <= len(leaves), "asked for a subtree that is not complete"
        return mth(leaves[index << height : end])

    return hashes


@pytest.mark.parametrize("size", range(1, 9))
def test_the_published_roots(size: int) -> None:
    assert merkle.root_of(merkle.leaf_hashes(LEAVES[:size])).hex() == ROOTS[size - 1]
    assert merkle.root_at(source(LEAVES), size).hex() == ROOTS[size - 1]


def test_the_empty_tree() -> None:
    assert merkle.EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.root_of(()) == merkle.root_at(source(()), 0) == merkle.fold([]) == merkle.EMPTY


@pytest.mark.parametrize("size", range(MOST))
def test_leaves_have_the_root_of_the_definition(size: int) -> None:
    leaves = records(size)
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    assert merkle.leaf_hashes(leaves) == hashes
    assert merkle.root_of(hashes) == mth(leaves)
    assert len(merkle.peaks(hashes)) == size.bit_count()


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_a_root_of_the_past(now: int, past: int) -> None:
    past, now = sorted((past, now))
    assert merkle.root_at(source(records(now)), past) == mth(records(past))


@given(st.integers(1, MOST), st.data())
def test_inclusion_proofs_are_those_of_the_definition(size: int, data: st.DataObject) -> None:
    leaves = records(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(source(leaves), index, size)
    assert proof == path(index, leaves)
    assert merkle.verify_inclusion(merkle.leaf_hash(leaves[index]), index, size, proof, mth(leaves))


@given(st.integers(0, MOST), st.integers(0, MOST))
def test_consistency_proofs_are_those_of_the_definition(one: int, other: int) -> None:
    old, new = sorted((one, other))
    leaves = records(new)
    proof = merkle.consistency_proof(source(leaves), old, new)
    assert proof == (subproof(old, leaves, True) if old else [])
    assert merkle.verify_consistency(old, mth(leaves[:old]), new, mth(leaves), proof)


@given(st.integers(1, MOST), st.data())
def test_no_other_inclusion_proof_is_accepted(size: int, data: st.DataObject) -> None:
    leaves = records(size)
    index = data.draw(st.integers(0, size - 1))
    leaf, root = merkle.leaf_hash(leaves[index]), mth(leaves)
    proof = path(index, leaves)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another"), index, size, proof, root)
    assert not merkle.verify_inclusion(leaf, index, size, proof, mth(records(size + 1)))
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)
    for at in range(len(proof)):
        assert not merkle.verify_inclusion(leaf, index, size, proof[:at] + proof[at + 1 :], root)
        flipped = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        assert not merkle.verify_inclusion(leaf, index, size, flipped, root)
    for elsewhere in {index + 1, index - 1, size, -1} - {index}:
        assert not merkle.verify_inclusion(leaf, elsewhere, size, proof, root)


@given(st.integers(1, MOST), st.integers(1, MOST), st.data())
def test_no_other_consistency_proof_is_accepted(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    if old == new:
        new += 1
    leaves = records(new)
    roots, proof = (mth(leaves[:old]), mth(leaves)), subproof(old, leaves, True)
    changed = [*leaves[:-1], b"another"]
    forged = data.draw(st.integers(0, old - 1))
    past = [*leaves[:forged], b"another", *leaves[forged + 1 : old]]
    assert not merkle.verify_consistency(old, mth(past), new, roots[1], proof)
    assert not merkle.verify_consistency(old, roots[0], new, mth(changed), proof)
    assert not merkle.verify_consistency(old, roots[0], new, roots[1], [*proof, roots[1]])
    assert not merkle.verify_consistency(new, roots[1], old, roots[0], proof)
    for at in range(len(proof)):
        assert not merkle.verify_consistency(old, roots[0], new, roots[1], proof[:at] + proof[at + 1 :])
        flipped = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        assert not merkle.verify_consistency(old, roots[0], new, roots[1], flipped)


def test_consistency_at_the_ends() -> None:
    root = mth(records(3))
    assert merkle.verify_consistency(3, root, 3, root, [])
    assert not merkle.verify_consistency(3, root, 3, mth(records(4)), [])
    assert not merkle.verify_consistency(3, root, 3, root, [root])
    assert merkle.verify_consistency(0, merkle.EMPTY, 3, root, [])
    assert not merkle.verify_consistency(0, root, 3, root, [])
    assert not merkle.verify_consistency(0, merkle.EMPTY, 3, root, [root])
    assert not merkle.verify_consistency(-1, root, 3, root, [])
    assert not merkle.verify_consistency(3, mth(records(3)), 7, mth(records(7)), [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_record_that_is_not_there_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {size} records has no record {index}"):
        merkle.inclusion_proof(source(records(size)), index, size)


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3)])
def test_a_tree_does_not_shrink(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="does not continue"):
        merkle.consistency_proof(source(records(new)), old, new)
