"""Which calls a selector means."""

import pytest

from doorward.app.admin.answers import selects
from doorward.model.call import Call, Credential, Era, Inbound
from doorward.model.principal import Actor, Principal
from doorward.model.target import Kind, OperationClass, Target
from doorward.pipeline.trail import Trail
from doorward.ports.live import Selector

ISSUER = "https://id.example.com"
OTHER = "https://other.example.com"


CALL = Call(
    id=1,
    method="tools/call",
    params={},
    meta={},
    era=Era.MODERN,
    version="2026-07-28",
    endpoint=None,
    session=None,
    capabilities={},
    client={},
    log_level=None,
    progress_token=None,
    events=None,
    scope=None,
)


def trail(principal: Principal | None = None, *, called: bool = True) -> Trail:
    inbound = Inbound("http", None, Credential(None, "", local=True, proxied=False), {}, b"", None, 0.0)
    made = Trail(inbound, "call-1", 0.0)
    made.principal = principal
    made.target = Target("crm", Kind.TOOL, "find", OperationClass.READ)
    if called:
        made.call = CALL
    return made


WHO = Principal(
    "default",
    "anna",
    "ci",
    "jwt",
    issuer=ISSUER,
    client="app",
    actors=(Actor(OTHER, "robot", client="robots", agent="helper"),),
    token_id="t1",
    session_id="s1",
)
KEY = Principal("default", "build", "ci", "key", "0123456789AB")


@pytest.mark.parametrize(
    "selector",
    [
        Selector(),
        Selector(call="call-1"),
        Selector(server="crm"),
        Selector(agent="ci"),
        Selector(agent="helper"),
        Selector(user="anna"),
        Selector(user="robot"),
        Selector(user="anna", issuer=ISSUER),
        Selector(user="robot", issuer=OTHER),
        Selector(client="app"),
        Selector(client="robots"),
        Selector(jti="t1"),
        Selector(jti="t1", issuer=ISSUER),
        Selector(sid="s1"),
        Selector(agent="ci", server="crm", user="anna", sid="s1"),
    ],
)
def test_whom_it_means(selector: Selector) -> None:
    assert selects(selector, trail(WHO))


@pytest.mark.parametrize(
    "selector",
    [
        Selector(call="call-2"),
        Selector(server="files"),
        Selector(agent="c"),
        Selector(key="0123456789AB"),
        Selector(user="ann"),
        Selector(user="anna", issuer=OTHER),
        Selector(user="robot", issuer=ISSUER),
        Selector(client="app", issuer=OTHER),
        Selector(jti="s1"),
        Selector(jti="t1", issuer=OTHER),
        Selector(sid="s1", issuer=OTHER),
        Selector(agent="ci", server="files"),
    ],
)
def test_whom_it_does_not_mean(selector: Selector) -> None:
    assert not selects(selector, trail(WHO))


def test_keys_are_meant_by_their_ids() -> None:
    assert selects(Selector(key="0123456789AB"), trail(KEY))
    assert not selects(Selector(key="0123456789AC"), trail(KEY))
    assert not selects(Selector(jti="x"), trail(KEY))


def test_nobody_is_meant_who_is_not_known_yet() -> None:
    assert not selects(Selector(), trail(None))
    assert not selects(Selector(), trail(WHO, called=False))
