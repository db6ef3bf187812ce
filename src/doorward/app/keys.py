"""The keys of a configuration, without a gateway's help."""

from collections.abc import Iterator
from contextlib import contextmanager

from doorward.app.admin.key_service import KeyService
from doorward.app.admin.local import administered
from doorward.config.load import Loaded


@contextmanager
def open_keys(loaded: Loaded, token: str | None = None) -> Iterator[KeyService]:
    """See admin.local.administered."""
    with administered(loaded, token) as send:
        yield KeyService(send)
