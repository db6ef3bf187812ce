"""The Merkle tree of RFC 6962 section 2.1 over SHA-256: roots, and proofs that a part belongs to the whole.

Pure. Where the hashes lie is the caller's affair: whoever asks for a proof gives a function that knows the
hashes of complete subtrees (`tiles.TileHashes` is one). Hashes are 32 bytes, leaves are numbered from 0.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

HASH_BYTES: Final = 32
EMPTY: Final = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""
Hashes = Callable[[int, int], bytes]
"""(height, index): hash of the complete subtree over the leaves `index << height` to `(index + 1) << height`.

Raises what its reading raises."""

_sha256: Final = hashlib.sha256


def leaf_hash(record: bytes) -> bytes:
    """The prefix keeps a record from passing for a node."""
    return _sha256(b"\x00" + record).digest()


def leaf_hashes(records: Iterable[bytes]) -> list[bytes]:
    """As `leaf_hash`, of many: a call of ours for each would cost a tenth of what sealing does."""
    sha256 = _sha256
    return [sha256(b"\x00" + record).digest() for record in records]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two neighbouring subtrees."""
    return _sha256(b"\x01" + left + right).digest()


def peaks(hashes: Iterable[bytes]) -> list[bytes]:
    """The largest complete subtrees over these leaf hashes, from left to right; one for a power of two.

    Row by row, because that is less work for the interpreter than to add them one by one.
    """
    sha256, row, found = _sha256, list(hashes), []
    while len(row) > 1:
        if len(row) & 1:
            found.append(row.pop())
        pairs = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return [*row, *reversed(found)]


def fold(peaks: Sequence[bytes]) -> bytes:
    """Root of the tree that consists of these complete subtrees, the largest first."""
    if not peaks:
        return EMPTY
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over these leaf hashes."""
    return fold(peaks(leaves))


def root_at(hashes: Hashes, size: int) -> bytes:
    """Root of the first `size` leaves."""
    return _span(hashes, 0, size) if size else EMPTY


def inclusion_proof(hashes: Hashes, index: int, size: int) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1, from the leaf's sibling up.

    Raises ValueError for a leaf that the tree does not have.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} records has no record {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_span(hashes, middle, end))
            end = middle
        else:
            path.append(_span(hashes, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(hashes: Hashes, old: int, new: int) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962 section 2.1.2; empty when there is nothing to prove.

    Raises ValueError unless 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} records does not continue one of {old}")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end = 0, new
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_span(hashes, middle, end))
            end = middle
        else:
            proof.append(_span(hashes, start, middle))
            start = middle
    if start:  # the verifier has the old root itself, but not a subtree of it
        proof.append(_span(hashes, start, end))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the tree with this size and root has `leaf`, a leaf hash, at `index`.

    RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `new` leaves begins with the one of `old`.

    RFC 9162 section 2.1.4.2; every tree continues the empty one.
    """
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, node)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _span(hashes: Hashes, start: int, end: int) -> bytes:
    """Root over the leaves from `start` to `end`, a range that a split of the tree has left."""
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(hashes(height, start >> height))
        start += 1 << height
    return fold(peaks)
