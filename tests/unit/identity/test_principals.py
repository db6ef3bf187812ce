from typing import Any

import pytest

from doorward.identity.issuers import IssuerSettings, settings
from doorward.identity.match import Person, TokenMatch
from doorward.identity.principals import Principals, Rules
from doorward.identity.verify import Verified
from doorward.model.errors import CallerError
from doorward.model.principal import Actor, ActorKind, Principal
from doorward.model.reasons import Reason

ISSUER = "https://id.example.com"
GENERIC = settings(ISSUER)
RULES = Rules(
    matches=(
        TokenMatch("ci", ISSUER, "ci"),
        TokenMatch("planner", ISSUER, "plan"),
        TokenMatch("helper", "https://other.example", "help"),
    ),
    people=(
        Person("@people/0", ISSUER, subject="anna"),
        Person("@people/1", ISSUER, group="eng"),
        Person("@people/2", ISSUER, subject="*"),
        Person("@people/3", "https://other.example", subject="*"),
    ),
    teams={"ci": "platform"},
)
SAID = {"sub": "ci", "client_id": "ci"}


def make(said: dict[str, Any], of: IssuerSettings = GENERIC, rules: Rules = RULES, **more: Any) -> Principal:
    verified = Verified(of, ISSUER, said, 99.0, None, **more)
    return Principals(rules).make(verified, "jwt")


def test_a_program_of_its_own_has_no_people_behind_it() -> None:
    found = make(SAID | {"scope": "a b", "jti": "j", "sid": "s", "acr": "1", "amr": ["pwd", "otp"]})
    assert (found.subject, found.agent, found.client, found.issuer) == ("ci", "ci", "ci", ISSUER)
    assert not found.human
    assert found.bounds is not None
    assert (found.bounds.people, found.bounds.agents, found.bounds.scopes) == ((), (), {"a", "b"})
    assert (found.token_id, found.session_id, found.acr, found.amr) == ("j", "s", "1", ("otp", "pwd"))
    assert (found.team, found.strength, found.method, found.expires_at) == (
        "platform", "token", "jwt", 99.0,
    )  # fmt: skip
    assert found.tenant == "default"


def test_people_are_those_of_the_issuer_that_fit() -> None:
    found = make({"sub": "anna", "client_id": "ci", "groups": ["eng"]})
    assert found.human
    assert found.bounds is not None
    assert found.bounds.people == (("@people/0", "@people/1", "@people/2"),)
    other = make({"sub": "bert", "client_id": "ci"}, rules=Rules(RULES.matches, RULES.people[:2]))
    assert other.bounds is not None
    assert other.bounds.people == ((),)


def people(said: dict[str, Any], of: IssuerSettings = GENERIC, issuer: str = ISSUER) -> Any:
    rules = Rules(RULES.matches, (*RULES.people[:2], *RULES.people[3:], Person("@people/4", ISSUER, "bob")))
    found = Principals(rules).make(Verified(of, issuer, said, 99.0, None), "jwt")
    assert found.bounds is not None
    return found.bounds.people


BOB = {"sub": "bob", "sub_profile": "user"}
ANNA = {"sub": "anna", "client_id": "ci"}


def test_every_human_of_a_chain_is_asked_the_subject_first() -> None:
    elsewhere = {"sub": "bob", "iss": "https://other.example", "sub_profile": "user"}
    assert people(ANNA | {"act": BOB}) == (("@people/0",), ("@people/4",))
    assert people(SAID | {"act": BOB}) == (("@people/4",),), "of a program, too"
    assert people(SAID | {"act": {"sub": "plan", "act": BOB}}) == (("@people/4",),), "at any depth"
    assert people(SAID | {"act": BOB | {"act": elsewhere}}) == (("@people/4",), ("@people/3",))
    assert people(SAID | {"act": {"sub": "carl", "sub_profile": "user"}}) == ((),)
    assert people(SAID | {"act": BOB | {"iss": "https://unknown.example"}}) == ((),)


@pytest.mark.parametrize("profile", ["agent", "service", "user agent", "unheard"])
def test_who_is_not_called_a_person_is_not_asked_as_one(profile: str) -> None:
    assert people(SAID | {"act": BOB | {"sub_profile": profile}}) == ()


def test_groups_are_those_of_the_subject_only() -> None:
    eng = {"groups": ["eng"]}
    assert people(ANNA | eng | {"act": BOB | eng}) == (("@people/0", "@people/1"), ("@people/4",))
    anna = {"sub": "anna", "sub_profile": "user"}
    assert people(ANNA | eng | {"act": anna}) == (("@people/0", "@people/1"),), "one human, once"
    assert people(SAID | eng | {"act": {"sub": "ci", "sub_profile": "user"}}) == ((),), "no program's groups"


def test_a_person_who_matches_an_agent_is_asked_as_both() -> None:
    found = make(ANNA | {"act": BOB | {"client_id": "plan"}})
    assert found.actors == (Actor(ISSUER, "bob", ActorKind.HUMAN, "plan", "planner"),)
    assert found.bounds is not None
    assert found.bounds.agents == ("planner",)
    assert found.bounds.people[1] == ("@people/2",)


def test_an_actor_of_a_template_is_of_the_tokens_own_tenant() -> None:
    template, own = "https://id.example/{tenantid}/v2", "https://id.example/t1/v2"
    rules = Rules((TokenMatch("ci", template, "ci"),), (Person("@people/0", template, "bob"),))
    for act, asked in ((BOB, (("@people/0",),)), (BOB | {"iss": "https://id.example/t2/v2"}, ((),))):
        verified = Verified(settings(template), own, SAID | {"act": act}, 9.0, None)
        found = Principals(rules).make(verified, "jwt")
        assert found.bounds is not None
        assert found.bounds.people == asked


def test_equal_bounds_are_one_object() -> None:
    maker = Principals(RULES)
    one, two, three = (
        maker.make(Verified(GENERIC, ISSUER, SAID | {"scope": scope, "jti": scope}, 9.0, None), "jwt")
        for scope in ("a b", "b a", "a")
    )
    assert one.bounds is two.bounds is not three.bounds


def test_the_memory_of_bounds_is_bounded() -> None:
    maker = Principals(RULES)
    for number in range(5000):
        maker.make(Verified(GENERIC, ISSUER, SAID | {"scope": f"s{number}"}, 9.0, None), "jwt")
    assert len(maker._bounds) <= 4096


def test_actors_that_are_agents_here_must_allow_too() -> None:
    act = {"sub": "plan", "act": {"sub": "help", "iss": "https://other.example", "act": {"sub": "x"}}}
    found = make({"sub": "anna", "client_id": "ci", "act": act})
    assert found.actors == (
        Actor(ISSUER, "plan", ActorKind.AGENT, None, "planner"),
        Actor("https://other.example", "help", ActorKind.AGENT, None, "helper"),
        Actor(ISSUER, "x", ActorKind.UNKNOWN, None, None),
    )
    assert found.bounds is not None
    assert found.bounds.agents == ("helper", "planner")


def test_the_agent_itself_is_no_further_agent() -> None:
    found = make(SAID | {"act": {"sub": "ci"}})
    assert found.bounds is not None
    assert found.bounds.agents == ()


def test_an_issuer_may_have_to_name_known_actors_only() -> None:
    known = settings(ISSUER, known_actors=True)
    assert make(SAID | {"act": {"sub": "plan"}}, known).actors[0].agent == "planner"
    with pytest.raises(CallerError, match="actor 'x'") as caught:
        make(SAID | {"act": {"sub": "plan", "act": {"sub": "x"}}}, known)
    assert caught.value.reason is Reason.ACTOR_UNKNOWN


def test_a_chain_that_cannot_be_read_is_said_to_be_one_and_whose() -> None:
    with pytest.raises(ValueError, match=r"asserted but unreadable: .*; subject 'anna' and client 'ci' of"):
        make({"sub": "anna", "client_id": "ci", "act": []})


def test_roles_are_no_groups_and_no_group_is_a_role() -> None:
    found = make(SAID | {"groups": ["eng", "role:admin"], "roles": ["viewer"]})
    assert found.groups == {"eng", "role:viewer"}
    keycloak = settings(ISSUER, "keycloak")
    said = {"sub": "u", "azp": "ci", "realm_access": {"roles": ["admin"]}, "groups": ["/eng"]}
    assert make(said, keycloak).groups == {"/eng", "role:admin"}


def test_what_an_entra_program_may_do_stands_in_its_roles() -> None:
    entra = settings(ISSUER, "entra")
    program = {"oid": "o", "sub": "o", "azp": "ci", "tid": "t", "roles": ["Crm.Read.All", "not one"]}
    assert make(program, entra).scopes == {"Crm.Read.All"}
    person = {"oid": "o", "sub": "x", "azp": "ci", "tid": "t", "roles": ["Admin"], "scp": "Crm.Read"}
    found = make(person, entra)
    assert (found.scopes, found.human, found.tenant, found.subject) == ({"Crm.Read"}, True, "t", "o")


def test_groups_that_are_only_pointed_to_refuse_where_a_rule_depends_on_them() -> None:
    overage = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}
    for pointer in (overage, {"hasgroups": True}, {"hasgroups": "true"}):
        assert make(SAID | pointer).groups == frozenset()
        with pytest.raises(ValueError, match="points to its groups"):
            make(SAID | pointer, settings(ISSUER, uses_groups=True))
    assert make(SAID | overage | {"groups": ["eng"]}, settings(ISSUER, uses_groups=True)).groups == {"eng"}


def test_configured_paths_overrule_the_preset() -> None:
    own = settings(ISSUER, paths={"groups": ("https://x.example/g",), "client": ("c",), "tenant": ("org",)})
    found = make({"sub": "s", "c": "ci", "https://x.example/g": ["a"], "groups": ["b"], "org": "acme"}, own)
    assert (found.groups, found.client, found.tenant) == ({"a"}, "ci", "acme")


BAD: dict[str, dict[str, Any]] = {
    "no subject": {"sub": None},
    "no client": {"client_id": None},
    "an unreadable client": {"client_id": ["ci"]},
    "unreadable groups": {"groups": {"eng": 1}},
    "unreadable roles": {"roles": 1},
    "unreadable scope": {"scope": 1},
    "unreadable jti": {"jti": 1},
    "unreadable sid": {"sid": ["s"]},
    "unreadable acr": {"acr": 1},
    "unreadable amr": {"amr": {"pwd": 1}},
    "unreadable act": {"act": "x"},
}


@pytest.mark.parametrize("said", BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_not_read_as_missing(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        make({name: value for name, value in (SAID | said).items() if value is not None})


@pytest.mark.parametrize("tenant", ["a b", "../x", "x" * 65, "a:b"])
def test_a_tenant_is_a_plain_word(tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        make(SAID | {"org": tenant}, settings(ISSUER, paths={"tenant": ("org",)}))


def test_no_agent_or_two_is_no_caller() -> None:
    both = Rules((*RULES.matches, TokenMatch("second", ISSUER, "*")))
    for said, rules in (({"sub": "x", "client_id": "x"}, RULES), (SAID, both)):
        with pytest.raises(CallerError) as caught:
            make(said, rules=rules)
        assert caught.value.reason is Reason.AGENT_UNMATCHED


def test_a_bound_token_is_stronger() -> None:
    verified = Verified(GENERIC, ISSUER, SAID, 9.0, "ab" * 32)
    assert Principals(RULES).make(verified, "jwt").strength == "bound token"
