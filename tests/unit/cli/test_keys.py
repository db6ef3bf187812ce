"""`doorward keys`: flags, exit codes, and what is printed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from doorward.backends.sql.sqlite import open_sqlite
from doorward.cli.key_pages import date
from doorward.cli.main import main
from doorward.identity import keys
from doorward.ports.store import KeyRecord
from tests.unit.control.key_house import TEXT

DAY = 86400.0


class House:
    """A configuration with its state; `run` is one command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = folder / "doorward.yaml"
        self.config.write_text(TEXT.replace("people: []\n", ""))
        self._capsys = capsys

    def run(self, *words: str) -> tuple[int, str, str]:
        code = main(["keys", *words, "-c", str(self.config)])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def said(self, *words: str) -> dict[str, Any]:
        code, out, err = self.run(*words, "--json")
        assert code == 0, err
        said: dict[str, Any] = json.loads(out)
        return said

    def refused(self, *words: str, code: int = 2) -> str:
        got, out, err = self.run(*words)
        assert (got, out) == (code, "")
        return err

    def stored(self) -> Sequence[KeyRecord]:
        store = open_sqlite(self.config.parent / ".doorward" / "doorward.db")
        found = store.facts().keys
        store.close()
        return found


@pytest.fixture
def house(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> House:
    return House(tmp_path, capsys)


def test_every_flag_of_create_is_a_limit(house: House) -> None:
    said = house.said(
        "create", "--agent", "ci", "--name", "build", "--test", "--servers", "git, docs", "--servers",
        "git-hub", "--tools", "get_*,docs/*", "--read-only", "--rate", "10/min", "--expires", "12h",
        "--networks", "10.0.0.0/8,unix",
    )  # fmt: skip
    [key] = house.stored()
    assert (key.agent, key.name, key.environment) == ("ci", "build", "test")
    assert (key.servers, key.tools) == (("git", "docs", "git-hub"), ("get_*", "docs/*"))
    assert (key.read_only, key.rate, key.networks) == (True, "10/min", ("10.0.0.0/8", "unix"))
    assert key.expires_at == pytest.approx(key.created_at + DAY / 2, abs=60)
    assert keys.parse(said["key"]).id == key.id
    assert (said["schema"], said["state"], said["effective"]["rate"]) == ("doorward.key/v1", "live", "10/min")


def test_a_key_lives_90_days_or_for_ever(house: House) -> None:
    house.said("create", "--agent", "ci")
    house.said("create", "--agent", "ci", "--expires", "never")
    first, second = house.stored()
    assert first.expires_at == pytest.approx(first.created_at + 90 * DAY, abs=60)
    assert second.expires_at is None


def test_people_are_shown_the_key_once(house: House) -> None:
    code, out, _ = house.run("create", "--agent", "ci")
    [key] = house.stored()
    shown = next(line.strip() for line in out.splitlines() if line.startswith("  dw_live_"))
    assert (code, keys.parse(shown).id) == (0, key.id)
    for words in (["list"], ["show", key.id], ["set", key.id, "--rate", "1/s"], ["revoke", key.id]):
        assert shown not in house.run(*words)[1]


def test_a_budget_is_refused_with_the_reason(house: House) -> None:
    said = house.refused("create", "--agent", "ci", "--budget", "500USD/month")
    assert "--budget cannot be kept yet" in said
    assert not (house.config.parent / ".doorward").exists()
    house.said("create", "--agent", "ci")
    assert "--budget" in house.refused("set", house.stored()[0].id, "--budget", "5USD/day")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--agent", "cii"], 'did you mean "ci"?'),
        (["--agent", "ci", "--servers", "crm"], "would exceed its agent: servers crm"),
        (["--agent", "ci", "--tools", "git/drop"], "doorward.yaml:12"),
        (["--agent", "ci", "--rate", "1000/min"], "agent ci has 100/min"),
        (["--agent", "ci", "--rate", "often"], "expected a rate"),
        (["--agent", "ci", "--networks", "10.0.0.1/8"], "10.0.0.0/8"),
        (["--agent", "ci", "--servers", "a,,b"], "commas"),
        (["--agent", "ci", "--expires", "soon"], "lifetime"),
        (["--agent", "ci", "--expires", "101y"], "100 years"),
        (["--agent", "ci", "--name", "a|b"], "name"),
        (["--rate", "1/s"], "--agent"),
    ],
)
def test_what_cannot_be_is_refused(house: House, words: list[str], said: str) -> None:
    assert said in house.refused("create", *words)
    if (house.config.parent / ".doorward").exists():
        assert not house.stored()


def test_set_changes_and_lifts(house: House) -> None:
    key = house.said("create", "--agent", "ci", "--servers", "git", "--tools", "get_*", "--networks", "::1")[
        "id"
    ]
    house.said("set", key, "--rate", "5/min", "--read-only", "--expires", "1d")
    [record] = house.stored()
    assert (record.servers, record.rate, record.read_only) == (("git",), "5/min", True)
    said = house.said(
        "set", key, "--servers", "*", "--tools", "*", "--rate", "none", "--no-read-only", "--networks", "any",
        "--expires", "never",
    )  # fmt: skip
    [record] = house.stored()
    assert (record.servers, record.tools, record.rate, record.read_only) == (None, None, None, False)
    assert (record.networks, record.expires_at) == (None, None)
    assert said["effective"]["servers"] == ["git", "git-hub", "docs"]


def test_set_needs_something_to_set(house: House) -> None:
    assert "nothing to change" in house.refused("set", "AAAAAAAAAAAA")


def test_show_names_every_limit_and_its_place(house: House) -> None:
    key = house.said("create", "--agent", "ci", "--rate", "10/min", "--name", "build")["id"]
    _, out, _ = house.run("show", key)
    lines = [line.split() for line in out.splitlines()]
    assert ["tools", "get_*,", "list_issues", "agent:ci", f"{house.config}:12"] in lines
    assert ["rate", "100/min", "agent:ci", f"{house.config}:9"] in lines
    assert ["rate", "10/min", "key"] in lines
    assert ["rate", "10/min"] in lines
    assert ["servers", "git,", "git-hub,", "docs"] in lines
    assert out.startswith(f"key {key} (build) for agent ci: live\n")
    assert "never used" in out


def test_list_says_what_became_of_each(house: House) -> None:
    assert "no keys" in house.run("list")[1]
    first = house.said("create", "--agent", "ci")["id"]
    house.said("create", "--agent", "idle", "--test")
    house.run("revoke", first)
    lines = [line.split() for line in house.run("list")[1].splitlines()]
    assert lines[0] == ["ID", "AGENT", "NAME", "KIND", "STATE", "EXPIRES", "LAST", "USED"]
    assert lines[1][:5] == [first, "ci", "ci", "live", "revoked"]
    assert lines[2][1:5] == ["idle", "idle", "test", "live"]
    assert [key["state"] for key in house.said("list")["keys"]] == ["revoked", "live"]


def test_a_key_whose_agent_is_gone_is_suspended(house: House) -> None:
    key = house.said("create", "--agent", "idle")["id"]
    house.config.write_text(house.config.read_text().replace("  idle: {}\n", ""))
    assert (house.said("show", key)["state"], house.said("list")["keys"][0]["state"]) == ("suspended",) * 2


def test_rotate_gives_a_new_secret_and_says_how_long_the_old_one_works(house: House) -> None:
    old = house.said("create", "--agent", "ci")
    new = house.said("rotate", old["id"], "--overlap", "30m", "--expires", "1y")
    assert new["key"] != old["key"]
    assert keys.parse(new["key"]).id == old["id"]
    [record] = house.stored()
    assert record.previous is not None
    assert record.previous.until == new["previous_until"]
    assert "two at most" in house.refused("rotate", old["id"])
    code, out, _ = house.run("rotate", old["id"], "--overlap", "0")
    assert (code, "worth nothing now" in out) == (0, True)
    assert house.stored()[0].previous is None


def test_who_rotates_too_early_is_told_when_it_is_time(house: House) -> None:
    key = house.said("create", "--agent", "ci")["id"]
    until = house.said("rotate", key, "--overlap", "30m")["previous_until"]
    assert f"works until {date(until)}: there are two at most" in house.refused("rotate", key)


def test_the_page_of_a_key_says_of_which_tools_it_is(house: House) -> None:
    key = house.said("create", "--agent", "ci", "--read-only")["id"]
    assert "\nmay        read\n" in house.run("show", key)[1]
    house.said("set", key, "--tools", "get_*,docs/*")
    assert "\nmay        read, of tools named get_*, docs/*\n" in house.run("show", key)[1]


def test_a_token_that_others_can_read_is_none_wherever_it_lies(house: House) -> None:
    house.said("create", "--agent", "ci")
    token = house.config.parent / ".doorward" / "operator.token"
    token.chmod(0o644)
    for flags in ([], ["--admin-token-file", str(token)]):
        said = house.refused("list", *flags, code=3)
        assert f"run: chmod 600 {token}" in said
        assert "Try again later" not in said


@pytest.mark.parametrize("overlap", ["1w", "-1h", "soon", "31d"])
def test_an_overlap_is_a_short_time(house: House, overlap: str) -> None:
    key = house.said("create", "--agent", "ci")["id"]
    assert house.refused("rotate", key, f"--overlap={overlap}")


def test_revoking_takes_the_key_as_it_was_found_and_may_be_repeated(house: House) -> None:
    made = house.said("create", "--agent", "ci")
    for _ in range(2):
        assert house.run("revoke", made["key"])[1].startswith(f"revoked {made['id']} of agent ci\n")
    assert house.stored()[0].revoked_at is not None
    assert "revoked" in house.refused("set", made["id"], "--rate", "1/s")
    assert "revoked" in house.refused("rotate", made["id"])


@pytest.mark.parametrize("command", ["show", "rotate", "revoke"])
def test_an_unknown_key_is_no_key(house: House, command: str) -> None:
    assert "no key with this id" in house.refused(command, "AAAAAAAAAAAA")


def test_no_secret_of_a_key_stands_on_the_disk(house: House) -> None:
    made = house.said("create", "--agent", "ci")
    shown = [made["key"], house.said("rotate", made["id"])["key"]]
    house.said("set", made["id"], "--rate", "1/s")
    files = [file for file in house.config.parent.rglob("*") if file.is_file()]
    kept = b"".join(file.read_bytes() for file in files)
    assert made["id"].encode() in kept
    for text in shown:
        assert keys.parse(text).secret.encode() not in kept
