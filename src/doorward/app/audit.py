"""What `doorward audit tail` reads."""

from collections.abc import Iterator

from doorward.app.state import paths
from doorward.backends.files.read import follow, last_records
from doorward.config.load import Loaded


def audit_tail(loaded: Loaded, follow_on: bool, count: int) -> Iterator[bytes]:
    """The last `count` records as JSON, oldest first; with `follow_on`, then each new one as it comes."""
    directory = paths(loaded.settings).audit
    if follow_on:
        return follow(directory, last=count)
    return iter(last_records(directory, count))
