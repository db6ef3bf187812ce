"""What commands that administer ask of the composition root: late imports, as in wiring.py."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from msgspec import UnsetType

    from doorward.app.admin.send import Send
    from doorward.config.load import Loaded
    from doorward.control.keys import Change as KeyChange
    from doorward.control.keys import Wanted as WantedKey


class Keys(Protocol):
    """The use cases of `control.keys`; see `app.admin.key_service.KeyService`."""

    def create(self, wanted: "WantedKey") -> dict[str, Any]: ...

    def list(self) -> list[dict[str, Any]]: ...

    def show(self, key_id: str) -> dict[str, Any]: ...

    def change(self, key_id: str, change: "KeyChange") -> dict[str, Any]: ...

    def rotate(
        self, key_id: str, overlap_s: float = ..., expires_at: "float | UnsetType | None" = ...
    ) -> dict[str, Any]: ...

    def revoke(self, key_id: str) -> dict[str, Any]: ...


def keys(send: "Send") -> Keys:
    """The keys, wherever what is asked is carried out."""
    from doorward.app.admin import key_service

    return key_service.KeyService(send)


def administered(loaded: "Loaded", token: str | None) -> AbstractContextManager["Send"]:
    """On the store of a configuration; see app.admin.local."""
    from doorward.app.admin import local

    return local.administered(loaded, token)


def recovered(loaded: "Loaded") -> AbstractContextManager[tuple[str, str]]:
    """Name and token of one more owner. Raises GatewayError."""
    from doorward.app.admin import local

    return local.recovered(loaded)


def admin_address(root: "Path") -> str | None:
    """Where the gateway that holds a state directory listens for operators; None where none does. Raises
    GatewayError."""
    from doorward.app.admin import reach

    return reach.admin_address(root)


def kept_token(root: "Path") -> str | None:
    """The token in a state directory. Raises CallerError."""
    from doorward.app.admin import bootstrap

    return bootstrap.kept(root / bootstrap.TOKEN_FILE)


def renew_token(root: "Path", operator_id: str, token: str) -> bool:
    """Whether the token in a state directory was that operator's; it is the new one now."""
    from doorward.app.admin import bootstrap

    return bootstrap.renew(root, operator_id, token)


def token_in(file: "Path") -> str | None:
    """The token in a file. Raises CallerError."""
    from doorward.app.admin import bootstrap

    return bootstrap.kept(file)


def raised(told: object) -> Exception:
    """An error of the admin API as what it was made of."""
    from doorward.app.admin import reach

    return reach.raised(told)
