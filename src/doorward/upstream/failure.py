"""Failures of a server, with its name in the message that the caller gets."""

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason


def failure(reason: Reason, server: str, text: str) -> UpstreamError:
    """`text` continues the sentence "server NAME ..."."""
    return UpstreamError(reason, server, f"server {server} {text}")


def again(error: UpstreamError, reason: Reason) -> UpstreamError:
    """The same failure for another request: an exception that several tasks raise would grow with each."""
    copy = UpstreamError(reason, error.server, error.message)
    for note in getattr(error, "__notes__", ()):
        copy.add_note(note)
    return copy
