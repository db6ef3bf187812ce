from doorward.identity.issuers import IntrospectionSettings, settings
from doorward.identity.presets import PRESETS


def test_an_issuer_has_one_name_and_a_template_one_for_each_tenant() -> None:
    assert settings("https://id.example.com").names == {"https://id.example.com": None}
    template = settings("https://l.example/{tenantid}/v2.0", "entra", tenants=("a", "b"))
    assert template.names == {"https://l.example/a/v2.0": "a", "https://l.example/b/v2.0": "b"}
    assert template.location == "https://l.example/common/v2.0"
    assert settings("https://l.example/{tenantid}/v2.0").names == {}


def test_a_key_of_one_tenant_signs_for_no_other() -> None:
    template = settings("https://l.example/{tenantid}/v2.0", "entra", tenants=("a", "b"))
    mine = "https://l.example/a/v2.0"
    assert template.owns(None, mine)
    assert template.owns(mine, mine)
    assert template.owns("https://l.example/{tenantid}/v2.0", mine)
    assert not template.owns("https://l.example/b/v2.0", mine)


def test_what_is_said_overrules_the_preset_and_nothing_else_of_it() -> None:
    found = settings("https://x", "keycloak", paths={"groups": ("g",)}, typ=frozenset({"Custom+JWT"}))
    keycloak = PRESETS["keycloak"]
    assert found.preset.groups == (("g",),)
    assert (found.preset.client, found.preset.kind) == (keycloak.client, "Bearer")
    assert found.typ == {"custom+jwt"}
    assert settings("https://x", "okta").typ == PRESETS["okta"].typ


def test_equal_settings_are_one_issuer() -> None:
    one, two = (settings("https://x", "okta", paths={"groups": ("g",)}) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)


def test_our_secret_is_not_shown() -> None:
    found = settings("https://x", introspection=IntrospectionSettings("me", "CANARY"))
    assert "CANARY" not in repr(found)
