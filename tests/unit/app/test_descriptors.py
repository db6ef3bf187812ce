"""How many connections fit into the limit of open files."""

import resource

import pytest

from doorward.app.descriptors import RESERVED, room

NO_LIMIT = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("given", "wanted", "set_to", "fits"),
    [
        ((1024, 20000), 4096, 4096 + RESERVED, 4096),  # raised as far as it takes, no further
        ((1024, NO_LIMIT), 4096, 4096 + RESERVED, 4096),
        ((1024, 2048), 4096, 2048, 2048 - RESERVED),  # and as far as the system lets us
        ((256, 256), 4096, 256, 128),  # macOS
        ((20000, 20000), 4096, None, 4096),
        ((NO_LIMIT, NO_LIMIT), 4096, None, 4096),
        ((1024, 1024), 10, None, 10),
    ],
)
def test_room(monkeypatch, given: tuple[int, int], wanted: int, set_to: int | None, fits: int) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: given)
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    assert room(wanted) == fits
    assert limits == ([] if set_to is None else [(set_to, given[1])])
