"""The members of one JSON object from an upstream, each as the raw text of its value.

Taking an object apart costs a step of the event loop per member, and whoever sends megabytes may make them
half a million members. Real messages and results have a dozen, with the megabytes in those that the protocol
defines.
"""

from typing import Final

import msgspec

from doorward.wire.errors import WireError

MAX_OTHERS: Final = 16 * 1024
"""Bytes of all members together that the protocol does not define, blanks and names included."""
_ALWAYS: Final = 64 * 1024  # bytes: whatever stands in so few is taken apart in 2 ms

_NAMES: Final = (
    *("jsonrpc", "id", "method", "params", "result", "error"),
    *(
        "_meta",
        "content",
        "structuredContent",
        "isError",
        "contents",
        "messages",
        "description",
        "completion",
        "inputRequests",
    ),
    *("tools", "resources", "resourceTemplates", "prompts", "nextCursor", "instructions", "data"),
)
_ABSENT: Final = msgspec.Raw()
_Known: Final = msgspec.defstruct(
    "_Known",
    [(f"m{number}", msgspec.Raw, _ABSENT) for number in range(len(_NAMES))],
    rename={f"m{number}": name for number, name in enumerate(_NAMES)},
    gc=False,
)
_decode_known = msgspec.json.Decoder(_Known).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def members_of(data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """By name, in their order; of a name that comes twice the last. The values' encoding is not checked.

    Raises WireError for an object with more than MAX_OTHERS bytes of other members than the protocol's,
    MsgspecError for what is no object.
    """
    size = len(memoryview(data))
    if size > _ALWAYS:
        known = msgspec.structs.astuple(_decode_known(data))
        if size - sum([len(memoryview(value)) for value in known]) > MAX_OTHERS:
            raise WireError(f"an object has more than {MAX_OTHERS} bytes of unknown members")
    return _decode_members(data)
