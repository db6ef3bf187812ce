"""What `gateway.admin` may say of the listener for operators."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Tag

from doorward.config.model import STRICT
from doorward.config.values import Listen, ListenAddress


def _of_this_machine(listen: Listen) -> Listen:
    """Its callers hold tokens that can change everything, and it has no TLS of its own."""
    if not listen.loopback:
        raise ValueError("expected an address of this machine, such as 127.0.0.1:7421, or unix:path")
    return listen


def _off(value: object) -> object:
    if value is not False:
        raise ValueError("expected false for no listener, or {listen: 127.0.0.1:7421}")
    return value


class Admin(BaseModel):
    """Where operators and our own commands reach the running gateway."""

    model_config = STRICT

    listen: Annotated[ListenAddress, AfterValidator(_of_this_machine)] | None = None
    """host:port of this machine, or unix:path. Default: 127.0.0.1:7421, or any free port where that is
    taken."""


AdminPlane = Annotated[
    Annotated[Literal[False], BeforeValidator(_off), Tag("off")] | Annotated[Admin, Tag("on")],
    Discriminator(lambda value: "off" if isinstance(value, bool) else "on"),
]
"""A listener, or false for none."""
