"""What somebody may do: the same words for agents and for people."""

from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from doorward.config.model import STRICT
from doorward.config.values import Bound, GlobText, ScalarText, UriGlobText

CONDITION: Final = r"^arguments\.[^.\s][^.]*$"
ConditionName = Annotated[str, StringConstraints(pattern=CONDITION)]


class Names(BaseModel):
    """Globs over tool or prompt names (only * is special)."""

    model_config = STRICT

    allow: tuple[GlobText, ...] = Field((), strict=False)
    """What may be used."""
    deny: tuple[GlobText, ...] = Field((), strict=False)
    """What may not be used, whatever any grant allows."""


class Uris(BaseModel):
    """Globs over resource URIs (only * is special)."""

    model_config = STRICT

    allow: tuple[UriGlobText, ...] = Field((), strict=False)
    """What may be read."""
    deny: tuple[UriGlobText, ...] = Field((), strict=False)
    """What may not be read, whatever any grant allows."""


class Test(BaseModel):
    """Tests of one argument; all that are given must hold. A missing or ill-typed argument denies."""

    model_config = STRICT

    equals: ScalarText | None = None
    """The argument is exactly this."""
    in_: tuple[ScalarText, ...] | None = Field(None, alias="in", strict=False, min_length=1)
    """The argument is one of these."""
    at_least: Bound | None = None
    """The argument is a number not below this."""
    at_most: Bound | None = None
    """The argument is a number not above this."""


class Grant(BaseModel):
    """What may be done on some servers. What is absent is not granted."""

    model_config = STRICT

    servers: tuple[GlobText, ...] = Field(strict=False, min_length=1)
    """Names of servers, or globs over them."""
    tools: Names = Names()
    """Tools that may be called."""
    resources: Uris = Uris()
    """Resources that may be read."""
    prompts: Names = Names()
    """Prompts that may be fetched."""
    when: dict[ConditionName, Test] = {}
    """Tests of top-level arguments, keyed arguments.NAME; all must hold for allow to count."""


class Granted(BaseModel):
    """Who has grants. The first may stand here directly; grants add up."""

    model_config = STRICT

    servers: tuple[GlobText, ...] | None = Field(None, strict=False, min_length=1)
    """Names of servers, or globs over them: makes this entry itself a grant."""
    tools: Names = Names()
    """Tools that may be called."""
    resources: Uris = Uris()
    """Resources that may be read."""
    prompts: Names = Names()
    """Prompts that may be fetched."""
    when: dict[ConditionName, Test] = {}
    """Tests of top-level arguments, keyed arguments.NAME; all must hold for allow to count."""
    grants: tuple[Grant, ...] = Field((), strict=False)
    """Further grants."""
