"""What `doorward keys` works on: the operations on keys, wherever they are carried out."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from doorward.app.admin.send import Send
from doorward.control.keys import OVERLAP_S, Change, Wanted, id_of

PAGE: Final = "1000"


class KeyService:
    """What comes back is fit for JSON; a new secret stands in it as "key", once. Each raises Refused,
    ValueError and DoorwardError as the use case does."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def create(self, wanted: Wanted) -> dict[str, Any]:
        """A new key."""
        return self._send("POST", "/keys", msgspec.to_builtins(wanted))

    def list(self) -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = []
        query = {"limit": PAGE}
        while True:
            said = self._send("GET", "/keys", query=query)
            found += said["keys"]
            if said["cursor"] is None:
                return found
            query["cursor"] = said["cursor"]

    def show(self, key_id: str) -> dict[str, Any]:
        """One key."""
        return self._send("GET", _path(key_id))

    def change(self, key_id: str, change: Change) -> dict[str, Any]:
        """The key as it is from now on."""
        return self._send("PATCH", _path(key_id), msgspec.to_builtins(change))

    def rotate(
        self, key_id: str, overlap_s: float = OVERLAP_S, expires_at: float | UnsetType | None = UNSET
    ) -> dict[str, Any]:
        """The key with its new secret."""
        ends = {} if expires_at is UNSET else {"expires_at": expires_at}
        return self._send("POST", f"{_path(key_id)}/rotate", {"overlap_s": overlap_s, **ends})

    def revoke(self, key_id: str) -> dict[str, Any]:
        """The key as it is from now on."""
        return self._send("DELETE", _path(key_id))


def _path(key_id: str) -> str:
    """Raises ValueError. Of a whole key only the id goes on its way."""
    wanted = id_of(key_id)
    if not wanted.isalnum() or not wanted.isascii():
        raise ValueError("a key's id has letters and digits only: doorward keys list shows them")
    return f"/keys/{wanted}"
