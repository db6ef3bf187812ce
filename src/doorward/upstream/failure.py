"""Failures of a server, with its name in the message that the caller gets."""

from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason


def failure(reason: Reason, server: str, text: str) -> UpstreamError:
    """`text` continues the sentence "server NAME ..."."""
    return UpstreamError(reason, server, f"server {server} {text}")
