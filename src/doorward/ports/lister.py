"""What a server says it offers."""

from typing import Any, Protocol


class Lister(Protocol):
    """The discovery side of one server; never used for a caller's call."""

    @property
    def capabilities(self) -> dict[str, Any]: ...

    @property
    def server_info(self) -> dict[str, Any]: ...

    @property
    def instructions(self) -> str | None: ...

    @property
    def up(self) -> bool:
        """Whether the last contact succeeded."""
        ...

    @property
    def starting(self) -> bool:
        """Whether it is a process that starts for the first time: that takes longer than any answer."""
        ...

    async def list(self, method: str) -> list[dict[str, Any]]:
        """Every page of `tools/list`, `prompts/list`, `resources/list` or `resources/templates/list`.

        Empty when the server does not have the capability. Raises UpstreamError.
        """
        ...
