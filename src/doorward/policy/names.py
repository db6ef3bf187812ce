"""How our names become Cedar's: namespaces, action ids and string literals (docs/adr/0003-cedar-shape.md).

Policies refer to these names for as long as they live, so every mapping here is injective and never changes.
"""

from typing import Final

from doorward.model.target import Kind

READ_RESOURCE: Final = "read_resource"
GET_PROMPT: Final = "get_prompt"

AGENT: Final = "Doorward::Agent"
SERVER: Final = "Doorward::Server"
UNKNOWN: Final = "Doorward::Unknown"

# Cedar's reserved words that fit our server names (Cedar grammar, "Identifiers").
_RESERVED: Final = frozenset({"if", "true", "false", "in", "is", "like", "has", "then", "else", "__cedar"})
_BUILT_IN: Final = frozenset({READ_RESOURCE, GET_PROMPT})
_OURS: Final = ("tool:", "doorward:")


def namespace(server: str) -> str:
    """`Doorward::<server>` with `-` as `_`.

    Server names are `[a-z0-9-]{1,16}`: they have no `_` and no upper case, so `_` and the prefix `N` (for
    what Cedar does not take as an identifier) cannot make two servers equal.
    """
    name = server.replace("-", "_")
    if name[:1].isdigit() or name in _RESERVED:
        name = "N" + name
    return f"Doorward::{name}"


def action_id(kind: Kind, name: str) -> str:
    """The action that a target is decided under: a tool's own name, `read_resource` or `get_prompt`.

    A tool that is called like one of our actions, or begins with a prefix of ours, gets the prefix `tool:`.
    """
    if kind is Kind.PROMPT:
        return GET_PROMPT
    if kind is not Kind.TOOL:
        return READ_RESOURCE
    if name in _BUILT_IN or name.startswith(_OURS):
        return f"tool:{name}"
    return name


def literal(text: str) -> str:
    """A Cedar string literal; as a `like` pattern every `*` in it is a wildcard, as in our globs."""
    return (
        '"' + "".join(_ESCAPES.get(c) or (c if " " <= c <= "~" else f"\\u{{{ord(c):x}}}") for c in text) + '"'
    )


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\"}
