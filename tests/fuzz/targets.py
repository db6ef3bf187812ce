"""All fuzz targets that can run here."""

from tests.fuzz import (
    fuzz_bridge,
    fuzz_edge,
    fuzz_node,
    fuzz_recognisers,
    fuzz_tokens,
    fuzz_upstream,
    fuzz_wire,
)
from tests.fuzz.engine import Target

TARGETS: tuple[Target, ...] = (
    *fuzz_wire.TARGETS,
    *fuzz_bridge.TARGETS,
    *fuzz_recognisers.TARGETS,
    *fuzz_edge.TARGETS,
    *fuzz_upstream.TARGETS,
    *fuzz_tokens.TARGETS,
    *(fuzz_node.TARGETS if fuzz_node.FOUND else ()),
)
