import pytest

from doorward.config import document
from doorward.config.places import Places, dotted

TEXT = """\
version: 1
servers:
  a: {command: [sh, "-c"]}
agents:
  me:
    servers: ["*"]
"""


@pytest.mark.parametrize(
    ("line", "column", "path"),
    [
        (1, 1, "version"),
        (1, 10, "version"),
        (3, 3, "servers.a"),
        (3, 17, "servers.a.command[0]"),
        (3, 22, "servers.a.command[1]"),
        (6, 5, "agents.me.servers"),
        (6, 16, "agents.me.servers[0]"),
        (99, 1, ""),
    ],
)
def test_a_position_belongs_to_the_innermost_value(line: int, column: int, path: str) -> None:
    root = document.compose(TEXT).root
    assert root is not None
    assert dotted(Places(root).path_at(line, column)) == path
