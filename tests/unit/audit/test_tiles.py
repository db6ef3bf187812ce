"""Names and contents of tiles, against C2SP tlog-tiles and the definition of the tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.audit.merkle import (
    EMPTY,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from doorward.audit.tiles import Tile, TiledTree, TileHashes, edge, parse_path

SIZES = (0, 1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000)
PATHS = {
    "tile/0/000": Tile(0, 0),
    "tile/0/x001/x234/067": Tile(0, 1_234_067),
    "tile/0/x001/x234/067.p/112": Tile(0, 1_234_067, 112),
    "tile/2/999.p/1": Tile(2, 999, 1),
    "tile/63/x001/000.p/255": Tile(63, 1000, 255),
}
ALL = [b"%d" % number for number in range(SIZES[-1])]
LEAVES = [leaf_hash(record) for record in ALL]


@pytest.mark.parametrize(("path", "tile"), PATHS.items())
def test_paths(path: str, tile: Tile) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_every_tile_has_one_path(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/x000/001", "tile/0/000/001", "tile/0/x001",
        "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/256",
        "tile/0/000.p/999", "tile/0/000.p", "/tile/0/000", "tile/0/000/", "tile/0/000\n", "tile/entries/000",
        "tile/0/x٠٠١/000",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path of a tile"):
        parse_path(path)


def test_the_edge_of_the_specification_s_example() -> None:
    assert list(edge(70_000)) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(edge(256)) == [Tile(1, 0, 1)]
    assert list(edge(0)) == []


@pytest.mark.parametrize("size", SIZES)
def test_tiles_hold_what_the_definition_says(size: int) -> None:
    tree = grown(size)
    tiles = dict([*tree.full, *tree.edge()])
    level, hashes = 0, LEAVES[:size]
    while hashes:
        for at in range(0, len(hashes), 256):
            part = hashes[at : at + 256]
            assert tiles.pop(Tile(level, at // 256, len(part))) == b"".join(part)
        whole = range(0, len(hashes) - len(hashes) % 256, 256)
        hashes = [root_of(hashes[at : at + 256]) for at in whole]
        level += 1
    assert tiles == {}
    assert (tree.size, tree.root()) == (size, root_of(LEAVES[:size]))


@given(st.integers(0, 3000), st.lists(st.integers(0, 700), max_size=6))
def test_a_tree_goes_on_from_its_edge(size: int, steps: list[int]) -> None:
    tree = grown(size)
    for step in steps:
        edges = {tile.level: content for tile, content in tree.edge()}
        levels = max(edges, default=-1) + 1
        tree = TiledTree(tree.size, [edges.get(level, b"") for level in range(levels)])
        tree.extend(ALL[tree.size : tree.size + step])
    assert tree.root() == root_of(LEAVES[: size + sum(steps)])


@pytest.mark.parametrize(
    ("size", "edges"), [(1, []), (1, [b"\x00" * 64]), (256, [b"\x00" * 32]), (0, [b"\x00" * 32])]
)
def test_an_edge_of_another_tree_is_refused(size: int, edges: list[bytes]) -> None:
    with pytest.raises(ValueError, match=f"no edges of a tree of {size} records"):
        TiledTree(size, edges)


def test_leaves_are_as_good_as_records() -> None:
    tree = TiledTree()
    tree.extend_leaves(LEAVES[:700])
    assert (tree.size, tree.root()) == (700, grown(700).root())
    assert tree.taken() == grown(700).full
    assert tree.taken() == []


def test_empty_levels_below_the_edge_are_none() -> None:
    assert TiledTree(0, [b"", b""]).root() == EMPTY
    tree = grown(256)
    [(tile, content)] = tree.edge()
    assert (tile, TiledTree(256, [b"", content]).root()) == (Tile(1, 0, 1), tree.root())


@pytest.mark.parametrize("size", SIZES[1:])
def test_proofs_from_tiles(size: int) -> None:
    tree = grown(size)
    tiles = dict([*tree.full, *tree.edge()])
    hashes = TileHashes(size, tiles.__getitem__)
    assert root_at(hashes, size) == tree.root()
    for index in {0, size // 3, size // 2, size - 1}:
        proof = inclusion_proof(hashes, index, size)
        assert verify_inclusion(LEAVES[index], index, size, proof, tree.root())
        past = root_of(LEAVES[: index + 1])
        assert verify_consistency(
            index + 1, past, size, tree.root(), consistency_proof(hashes, index + 1, size)
        )


@pytest.mark.parametrize(("height", "index"), [(0, 300), (8, 1), (9, 0), (-1, 0), (0, -1)])
def test_a_subtree_that_is_not_whole_has_no_hash(height: int, index: int) -> None:
    tree = grown(300)
    with pytest.raises(ValueError, match="no subtree"):
        TileHashes(300, dict([*tree.full, *tree.edge()]).__getitem__)(height, index)


def test_a_tile_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tile/0/000\.p/2 is too short"):
        TileHashes(2, lambda _: b"\x00" * 63)(0, 0)


def grown(size: int) -> TiledTree:
    tree = TiledTree()
    tree.extend(ALL[:size])
    return tree
