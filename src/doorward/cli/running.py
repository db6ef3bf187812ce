"""Where the gateway of a configuration listens, if one runs: from its lock file, without a full load."""

import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from doorward.cli.exit import CommandError, Exit

LOCK: Final = "lock"
_DEFAULT_STATE: Final = ".doorward"
_MENTIONS_STATE: Final = re.compile(r"^[^#]*\bstate\b", re.MULTILINE)


class Listener(NamedTuple):
    """Where a gateway listens, as it says itself."""

    address: str
    """`host:port` or `unix:path`."""
    certificate: str = ""
    """SHA-256 over the certificate that it presents there, in hexadecimal; empty for plain HTTP."""
    operator: str = ""
    """What makes /readyz tell more than agents may know."""
    preface: bool = False
    """Whether it wants a PROXY header from this machine."""
    admin: str = ""
    """Where it listens for operators; empty where it does not."""


def listener(config: str) -> Listener:
    """Of the running gateway. Raises CommandError."""
    lock = state_directory(Path(config)) / LOCK
    try:
        written = lock.read_bytes()
        content: Any = json.loads(written) if written else None
    except FileNotFoundError:
        raise not_running(config) from None
    except (OSError, ValueError):
        raise CommandError(Exit.UNREACHABLE, f"{lock} cannot be read", "is it still starting?") from None
    if content is None:  # whoever held it has stopped, and the file stays
        raise not_running(config)
    listen = content.get("listen") if isinstance(content, dict) else None
    if not isinstance(listen, list) or not listen or not isinstance(listen[0], str):
        raise CommandError(Exit.UNREACHABLE, f"{lock} names no listener", "is it still starting?")
    certificate, operator = content.get("certificate", ""), content.get("operator", "")
    admin = content.get("admin", "")
    return Listener(
        listen[0],
        certificate if isinstance(certificate, str) and not listen[0].startswith("unix:") else "",
        operator if isinstance(operator, str) else "",
        content.get("preface") is True,
        admin if isinstance(admin, str) else "",
    )


def not_running(config: str) -> CommandError:
    """Nobody answers there."""
    return CommandError(Exit.UNREACHABLE, f"no gateway runs for {config}", "start it: doorward serve")


def state_directory(config: Path) -> Path:
    """Of a configuration. Loading costs 0.3 s, so only a file that may name another directory is loaded."""
    try:
        text = config.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CommandError(Exit.USAGE, f"{config}: no such file", "doorward init writes one") from None
    except (OSError, UnicodeDecodeError):
        raise CommandError(Exit.USAGE, f"{config}: cannot read it") from None
    if not _MENTIONS_STATE.search(text):
        return config.parent / _DEFAULT_STATE
    from doorward.cli.settings import load_file

    return load_file(str(config)).settings.gateway.state
