import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from doorward.app.identity import Issuers, issuers_of, rules_of
from doorward.config.load import Loaded, load
from doorward.identity.issuers import IntrospectionSettings
from doorward.identity.match import Person, TokenMatch
from doorward.identity.presets import PRESETS
from doorward.model.call import Credential
from doorward.model.errors import DoorwardError
from tests.support.tokens import Mint
from tests.unit.identity.fetching import FakeFetch, json_of

A, B = "https://a.example", "https://b.example"
GRANT = {"servers": ["*"], "tools": {"allow": ["*"]}}


def loaded(folder: Path, *issuers: dict[str, Any], **more: Any) -> Loaded:
    config = {
        "version": 1,
        "gateway": {"public_url": "https://gw.example.com/"},
        "auth": {"issuers": list(issuers), "stale_after": "90s"},
        "servers": {"crm": {"url": "http://127.0.0.1:9/mcp"}},
        "agents": {"ci": {"match": [{"issuer": issuers[0]["issuer"], "client_id": "ci"}]}},
    }
    file = folder / "doorward.yaml"
    file.write_text(json.dumps(config | more))
    return load(file)


def test_what_an_issuer_is_configured_to_be(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    said = {
        "issuer": A,
        "preset": "keycloak",
        "audience": ["api"],
        "algorithms": ["ES256"],
        "typ": ["JWT"],
        "jwks_uri": f"{A}/keys",
        "single_key": True,
        "introspection": {
            "client_id": "me",
            "client_secret": "s",
            "endpoint": f"{A}/i",
            "auth": "post",
            "cache": "5s",
        },
        "claims": {"groups": "https://x\\.example/groups", "roles": "resource_access.api.roles"},
        "ca": "ca.pem",
        "skew": "5s",
        "actors": "known",
    }
    (found,) = issuers_of(loaded(tmp_path, said))
    assert found.preset.groups == (("https://x.example/groups",),)
    assert found.preset.roles == (("resource_access", "api", "roles"),)
    assert found.preset.client == PRESETS["keycloak"].client
    assert (found.audience, found.algorithms, found.typ) == ({"api"}, {"ES256"}, {"jwt"})
    assert found.introspection == IntrospectionSettings("me", "s", f"{A}/i", "post", 5.0)
    assert (found.jwks_uri, found.single_key, found.skew, found.known_actors) == (
        f"{A}/keys",
        True,
        5.0,
        True,
    )
    assert found.ca == str(tmp_path / "ca.pem")


def test_what_is_not_said_is_as_the_preset_has_it(tmp_path: Path) -> None:
    (found,) = issuers_of(loaded(tmp_path, {"issuer": A}))
    assert found.preset == PRESETS["generic"]
    assert found.typ == {"at+jwt", "application/at+jwt"}
    assert "HS256" not in found.algorithms
    assert (found.ca, found.skew, found.known_actors, found.uses_groups) == (None, 30.0, False, False)


def test_groups_matter_where_a_rule_names_one_of_this_issuer(tmp_path: Path) -> None:
    both = ({"issuer": A}, {"issuer": B, "claims": {"groups": "g.names"}})
    people = [{"issuer": A, "group": "eng", "grants": [GRANT]}]
    assert [one.uses_groups for one in issuers_of(loaded(tmp_path, *both, people=people))] == [True, False]
    agents = {"ci": {"match": [{"issuer": B, "client_id": "ci", "claims": {"g.names": "eng"}}]}}
    assert [one.uses_groups for one in issuers_of(loaded(tmp_path, *both, agents=agents))] == [False, True]


def test_rules_are_those_of_the_document_in_its_order(tmp_path: Path) -> None:
    agents = {
        "ci": {
            "team": "platform",
            "match": [{"issuer": A, "client_id": "ci", "sub": "*", "claims": {"a.b": [1, True], "c": "x"}}],
        },
        "cd": {"match": [{"issuer": A, "client_id": "cd"}]},
    }
    people = [
        {"issuer": A, "sub": "anna", "grants": [GRANT]},
        {"issuer": A, "group": "eng", "grants": [GRANT]},
    ]
    found = rules_of(loaded(tmp_path, {"issuer": A}, agents=agents, people=people).settings)
    claims = ((("a", "b"), frozenset({(int, 1), (bool, True)})), (("c",), frozenset({(str, "x")})))
    assert found.matches == (TokenMatch("ci", A, "ci", "*", claims), TokenMatch("cd", A, "cd"))
    assert found.people == (Person("@people/0", A, "anna"), Person("@people/1", A, group="eng"))
    assert found.teams == {"ci": "platform"}


class Stage:
    def __init__(self) -> None:
        self.fetch, self.lost = FakeFetch(), 0
        self.mint = Mint(A, "https://gw.example.com/mcp")
        for name in (A, B):
            where = f"{name}/.well-known/oauth-authorization-server"
            self.fetch.documents[where] = json_of({"issuer": name, "jwks_uri": f"{name}/keys"})
            self.fetch.documents[f"{name}/keys"] = json_of(self.mint.public())
        self.issuers = Issuers(self._lost, self.fetch)

    def _lost(self) -> None:
        self.lost += 1


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def shown(token: str) -> Credential:
    return Credential(token, "192.0.2.1", local=False, proxied=False)


@pytest.mark.asyncio
async def test_keys_are_fetched_in_the_background_and_outlive_a_reload(tmp_path: Path) -> None:
    stage = Stage()
    first = loaded(tmp_path, {"issuer": A}, {"issuer": B})
    stage.issuers.tokens(first)
    stage.issuers.keep(first)
    await turns()
    assert (stage.fetch.asked[f"{A}/keys"], stage.fetch.asked[f"{B}/keys"]) == (1, 1)

    second = loaded(tmp_path, {"issuer": A})
    tokens = stage.issuers.tokens(second)
    stage.issuers.keep(second)
    await turns()
    assert tokens.identify(shown(stage.mint.token()), None) is not None
    at_crm = stage.mint.token(aud="https://gw.example.com/mcp/crm")
    assert tokens.identify(shown(at_crm), "crm") is not None
    with pytest.raises(DoorwardError):
        tokens.identify(shown(stage.mint.token(iss=B)), None)
    assert stage.fetch.asked[f"{A}/keys"] == 1
    assert set(stage.issuers._known) == set(issuers_of(second))
    await stage.issuers.close()
    assert stage.fetch.closed


@pytest.mark.asyncio
async def test_other_settings_of_an_issuer_begin_with_the_keys_that_are_here(tmp_path: Path) -> None:
    """A group among people is such a setting, and nobody expects that to need the issuer."""
    stage = Stage()
    first = loaded(tmp_path, {"issuer": A})
    stage.issuers.tokens(first)
    stage.issuers.keep(first)
    await turns()
    stage.fetch.documents[f"{A}/keys"] = json_of({}, 500)
    token = shown(stage.mint.token())
    for number, changed in enumerate(({"skew": "5s"}, {"audience": ["x"]}, {}), 2):
        again = loaded(tmp_path, {"issuer": A, **changed})
        tokens = stage.issuers.tokens(again)
        stage.issuers.keep(again)
        await turns()
        assert tokens.identify(token, None) is not None
        assert stage.fetch.asked[f"{A}/keys"] == number
    for elsewhere in ({"jwks_uri": f"{A}/other"}, {"algorithms": ["RS256"]}):
        tokens = stage.issuers.tokens(loaded(tmp_path, {"issuer": A, **elsewhere}))
        (keys,) = [one for one in stage.issuers._known.values() if one.settings.skew == 30.0][-1:]
        assert keys.usable() is None
    await stage.issuers.close()


@pytest.mark.asyncio
async def test_an_issuer_that_cannot_be_asked_is_named_with_the_reason(tmp_path: Path) -> None:
    stage = Stage()
    stage.fetch.documents[f"{B}/keys"] = json_of({}, 500)
    both = loaded(tmp_path, {"issuer": A}, {"issuer": B})
    stage.issuers.tokens(both)
    stage.issuers.keep(both)
    await turns()
    assert stage.issuers.troubles() == {B: "status 500 where a document was expected"}
    await stage.issuers.close()


@pytest.mark.asyncio
async def test_a_key_that_an_issuer_withdraws_is_told(tmp_path: Path) -> None:
    stage = Stage()
    wanted = loaded(tmp_path, {"issuer": A})
    stage.issuers.tokens(wanted)
    (keys,) = stage.issuers._known.values()
    await keys.refresh()
    stage.fetch.documents[f"{A}/keys"] = json_of(stage.mint.public("k-ec"))
    await keys.refresh()
    assert stage.lost == 1
    await stage.issuers.close()


@pytest.mark.asyncio
async def test_a_bug_in_the_background_is_told(tmp_path: Path) -> None:
    stage, told = Stage(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    stage.fetch.documents[f"{A}/keys"] = RuntimeError("a bug")
    wanted = loaded(tmp_path, {"issuer": A})
    stage.issuers.tokens(wanted)
    stage.issuers.keep(wanted)
    await turns()
    assert told == ["an issuer's keys are no longer kept recent: restart"]
    await stage.issuers.close()
