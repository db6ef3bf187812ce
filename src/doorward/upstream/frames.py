"""A tool call as a whole HTTP request, but for its id and its arguments: made once, filled in for each call.

What is filled in is the compact JSON of the very arguments that were decided upon; the text around it is what
`outgoing` and a conversation's head make of such a call. Whatever is not that plain is left to them.
"""

from typing import Any, Final

import msgspec

from doorward.wire import strict

OPENING: Final = b'{"jsonrpc":"2.0","id":'


class Frame(msgspec.Struct, gc=False, eq=False):
    """One tool of one server, as one client calls it."""

    head: bytes
    """Up to the value of Content-Length; empty when calls differ in more than their ids and arguments."""
    before: bytes = b""
    """Between id and arguments."""
    after: bytes = b""
    fixed: int = 0
    """Bytes of the body without id and arguments."""

    def fill(self, number: bytes, arguments: bytes) -> bytes:
        """The whole request. `number`: its id. `arguments`: compact JSON."""
        length = b"%d" % (self.fixed + len(number) + len(arguments))
        return b"".join((self.head, length, b"\r\n\r\n", OPENING, number, self.before, arguments, self.after))


def frame_of(head: bytes, name: str, meta: dict[str, Any] | None) -> Frame:
    """`head`: all fields but the length. `name`: what the server calls the tool."""
    before = b',"method":"tools/call","params":{"name":%b,"arguments":' % strict.encode(name)
    after = b"}}" if meta is None else b',"_meta":%b}}' % strict.encode(meta)
    fixed = len(OPENING) + len(before) + len(after)
    return Frame(head + b"Content-Length: ", before, after, fixed)
