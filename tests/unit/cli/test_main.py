import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from doorward import __version__
from doorward.cli import wiring
from doorward.cli.main import build, main
from doorward.cli.trust import TlsFiles
from doorward.config.load import Loaded, parse
from doorward.control.secrets import Secret
from doorward.model.errors import CallerError, DoorwardError, GatewayError, UpstreamError
from doorward.model.reasons import Reason
from doorward.ports.secrets import Version

HEAVY = [
    *("pydantic", "ruamel", "sqlalchemy", "mcp", "asyncio", "cedarpy", "uvloop", "httptools", "msgspec"),
    *("http.client", "ssl", "email"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no DOORWARD_ variable."""
    for name in [name for name in os.environ if name.startswith("DOORWARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_imports_nothing_heavy_and_is_quick() -> None:
    script = (
        "import sys\nfrom doorward.cli.main import main\ncode = main(sys.argv[1:])\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\nsys.exit(code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("LOADED []\n")
    assert "Exit codes" in done.stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert took < 2.0  # of the processor; the budget is 0.3 s


def test_a_gateway_without_tls_loads_no_parser_of_certificates() -> None:
    """80 ms of its start, and memory for as long as it runs."""
    script = (
        "import sys\nfrom doorward.app import serve\nfrom doorward.cli import wiring\n"
        "from doorward.config.load import parse\nloaded = parse('version: 1', environ={})\n"
        "wiring.check_files(loaded)\n"
        "serve.serve = lambda *_, **given: print('secure' in given, 'cryptography.x509' in sys.modules)\n"
        "wiring.serve(loaded, stdio=False)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("words", [["config", "--help"], ["tools", "call", "--help"], ["--version"]])
def test_help_of_every_depth_is_a_success(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["stauts"], 'doorward: unknown "stauts"\n  did you mean "status"?\n'),
        (["config", "validat"], 'doorward config: unknown "validat"\n  did you mean "validate"?\n'),
        (
            ["keys", "zzz"],
            'doorward keys: unknown "zzz"\n  known here: create, set, show, list, rotate, revoke\n',
        ),
        (["version", "--jsno"], "doorward: unknown argument --jsno\n  see doorward --help\n"),
    ],
)
def test_misspelt_commands(words: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr() == ("", error)


@pytest.mark.parametrize(
    "words", [[], ["tools"], ["tools", "call"], ["keys", "create"], ["tools", "call", "x", "--arg", "y"]]
)
def test_missing_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "--help" in capsys.readouterr().err


def test_errors_are_objects_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stauts", "--json"]) == 2
    out, err = capsys.readouterr()
    body = json.loads(out)
    assert body["schema"] == "doorward.error/v1"
    assert body["error"]["code"] == 2
    assert body["error"]["hint"] == 'did you mean "status"?'
    assert "stauts" in err


@pytest.mark.parametrize("words", [["version", "--json"], ["--json", "version"]])
def test_json_before_or_after_the_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["version"] == __version__
    assert err.startswith("doorward ")


def test_every_leaf_of_the_tree_can_be_run() -> None:
    def leaves(parser: Any) -> Iterator[Any]:
        groups = [a for a in parser._actions if hasattr(a, "choices") and isinstance(a.choices, dict)]
        if not groups:
            yield parser
        for group in groups:
            for inner in group.choices.values():
                yield from leaves(inner)

    found = list(leaves(build()))
    assert len(found) == 47
    assert all(callable(leaf.get_default("run")) for leaf in found)


def test_init_writes_a_document_that_loads_and_refuses_to_overwrite_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init"]) == 0
    assert "doorward serve" in capsys.readouterr().out
    text = (here / "doorward.yaml").read_text()
    assert parse(text, environ={}).settings.mode == "audit"
    (here / "doorward.yaml").write_text("mine")
    assert main(["init"]) == 2
    assert (here / "doorward.yaml").read_text() == "mine"
    assert main(["init", "--force"]) == 0
    assert (here / "doorward.yaml").read_text() == text
    assert main(["init", "-c", "no/such/place.yaml"]) == 2


def test_what_the_starter_has_commented_out_loads_too(here: Path) -> None:
    from doorward.cli.init import STARTER

    lines = []
    for line in STARTER.splitlines():
        bare = line.lstrip()
        wanted = bare.startswith(("# github:", "#   ", "# resources:", "# when:", "# state:"))
        lines.append(line.replace("# ", "", 1) if wanted else line)
    settings = parse("\n".join(lines), environ={"GITHUB_TOKEN": "t"}).settings
    assert set(settings.servers) == {"time", "github"}
    assert settings.agents["me"].when


def test_validate_says_what_is_wrong_and_where(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "doorward.yaml").write_text("version: 1\nmodee: audit\n")
    assert main(["config", "validate"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ('doorward.yaml:2:1: unknown key "modee"\n  modee: audit\n  ^\n  did you mean "mode"?\n')
    assert main(["config", "validate", "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert problem == {
        "file": "doorward.yaml",
        "line": 2,
        "column": 1,
        "path": "modee",
        "severity": "error",
        "message": 'unknown key "modee"',
        "hint": 'did you mean "mode"?',
    }


def test_validate_looks_for_what_the_file_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "doorward.yaml").write_text("version: 1\nservers:\n  a: {command: [no-such-program]}\n")
    assert main(["config", "validate"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("doorward.yaml:3:17: warning: there is no program")
    assert out.endswith("doorward.yaml: ok, 1 server, 0 agents, mode enforce\n")
    assert main(["config", "validate", "--json"]) == 0
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["path"], problem["severity"]) == ("servers.a.command[0]", "warning")
    assert main(["serve", "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == [problem]
    assert main(["config", "validate", "--strict"]) == 2
    assert "no-such-program" in capsys.readouterr().err
    (here / "doorward.yaml").write_text(
        "version: 1\nservers:\n  a: {url: 'https://a.example', tls: {ca: gone.pem}}\n"
        "  b: {command: [no-such-program]}\n"
    )
    assert main(["config", "validate", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert [(each["path"], each["severity"]) for each in found] == [
        ("servers.a.tls.ca", "error"),
        ("servers.b.command[0]", "warning"),
    ]


def test_the_file_is_found_by_flag_argument_and_environment(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.yaml").write_text("version: 1\n")
    assert main(["config", "validate"]) == 2
    assert main(["config", "validate", "a.yaml"]) == 0
    assert main(["-c", "a.yaml", "config", "validate"]) == 0
    assert main(["config", "validate", "-c", "a.yaml"]) == 0
    monkeypatch.setenv("DOORWARD_CONFIG", "a.yaml")
    assert main(["config", "validate"]) == 0
    assert capsys.readouterr().out.count("a.yaml: ok, 0 servers, 0 agents, mode enforce") == 4


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "doorward.yaml"


def test_serve_check_starts_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []

    def serve(loaded: Loaded, *, stdio: bool) -> int:
        started.append(stdio)
        return 0

    monkeypatch.setattr(wiring, "serve", serve)
    assert main(["serve", "--check"]) == 2
    (here / "doorward.yaml").write_text("version: 1\n")
    assert main(["serve", "--check"]) == 0
    assert started == []
    assert main(["serve"]) == 0
    assert main(["serve", "--stdio"]) == 0
    assert started == [False, True]


def test_demo_gets_every_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def demo(arguments: Sequence[str]) -> int:
        seen.append(arguments)
        return 10

    monkeypatch.setattr(wiring, "demo", demo)
    assert main(["demo", "--fast", "--attack", "rug-pull", "--help"]) == 10
    assert main(["--json", "demo", "--ci"]) == 10
    assert seen == [["--fast", "--attack", "rug-pull", "--help"], ["--json", "--ci"]]


def test_bridge_takes_its_key_from_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None]] = []

    def bridge(url: str, key: str | None, tls: TlsFiles) -> int:
        assert tls == TlsFiles()
        seen.append((url, key))
        return 0

    monkeypatch.setattr(wiring, "bridge", bridge)
    url = "http://127.0.0.1:7420/mcp"
    assert main(["bridge", "--url", url]) == 0
    monkeypatch.setenv("DOORWARD_KEY", "dw_a")
    monkeypatch.setenv("OTHER", "dw_b")
    assert main(["bridge", "--url", url]) == 0
    assert main(["bridge", "--url", url, "--key-env", "OTHER"]) == 0
    assert main(["bridge", "--url", url, "--key-env", "UNSET"]) == 3
    assert main(["bridge", "--url", "ftp://x"]) == 2
    assert seen == [(url, None), (url, "dw_a"), (url, "dw_b")]


def test_bridge_takes_certificates(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TlsFiles] = []

    def bridge(url: str, key: str | None, tls: TlsFiles) -> int:
        seen.append(tls)
        return 0

    monkeypatch.setattr(wiring, "bridge", bridge)
    command = ["bridge", "--url", "https://gw.example/mcp", "--ca", "ca.pem"]
    assert main([*command, "--client-cert", "me.pem", "--client-key", "me.key"]) == 0
    assert main([*command, "--client-key", "me.key"]) == 2
    assert seen == [TlsFiles("ca.pem", "me.pem", "me.key")]


@pytest.fixture
def written(here: Path) -> None:
    """A configuration with an agent."""
    (here / "doorward.yaml").write_text("version: 1\nagents: {ci-bot: {see_rules: true}}\n")


class FakeSecrets:
    """A ring with one purpose."""

    def __init__(self, *versions: Version) -> None:
        self.secrets = [Secret("checkpoints", versions)] if versions else []
        self.rotated = 0

    def all(self) -> Sequence[Secret]:
        return self.secrets

    def needed(self) -> dict[int, int]:
        return {}

    def rotate_checkpoints(self) -> tuple[str, str]:
        self.rotated += 1
        return "log+1+old", "log+2+new"


def with_secrets(monkeypatch: pytest.MonkeyPatch, fake: FakeSecrets) -> FakeSecrets:
    monkeypatch.setattr(wiring, "open_secrets", lambda *_: nullcontext(fake))
    return fake


def test_secrets_are_listed_with_their_versions(
    written: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_secrets(monkeypatch, FakeSecrets())
    assert main(["secrets", "list"]) == 0
    assert "no keys yet" in capsys.readouterr().out
    with_secrets(monkeypatch, FakeSecrets(Version(1, "2026-01-01"), Version(2, "2026-02-02")))
    assert main(["secrets", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["checkpoints", "1", "old", "2026-01-01", "never"],
        ["checkpoints", "2", "in", "use", "2026-02-02", "never"],
    ]
    assert main(["secrets", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["secrets"] == [
        {
            "purpose": "checkpoints",
            "versions": [
                {"version": 1, "created": "2026-01-01", "state": "old", "ends": None, "needed": None},
                {"version": 2, "created": "2026-02-02", "state": "in use", "ends": None, "needed": None},
            ],
        }
    ]


def test_the_key_of_the_log_is_rotated(
    written: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = with_secrets(monkeypatch, FakeSecrets())
    assert main(["secrets", "rotate", "salt"]) == 2
    assert 'unknown "salt"' in capsys.readouterr().err
    assert main(["secrets", "rotate", "checkpoints", "--overlap", "1h"]) == 2
    assert "leave --overlap out" in capsys.readouterr().err
    assert fake.rotated == 0
    assert main(["secrets", "rotate", "checkpoints"]) == 0
    out = capsys.readouterr().out
    assert "log+1+old" in out
    assert "log+2+new" in out
    assert main(["secrets", "rotate", "checkpoints", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["before"], result["after"]) == ("log+1+old", "log+2+new")


def raising(error: BaseException) -> Callable[..., int]:
    def serve(loaded: Loaded, *, stdio: bool) -> int:
        raise error

    return serve


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (RuntimeError("odd"), 1),
        (GatewayError(Reason.STORE_UNAVAILABLE, "the store is away"), 4),
        (GatewayError(Reason.INTERNAL_ERROR, "odd"), 1),
        (CallerError(Reason.CREDENTIAL_INVALID, "not that key"), 3),
        (CallerError(Reason.TARGET_UNKNOWN, "no"), 2),
        (UpstreamError(Reason.UPSTREAM_PROTOCOL_ERROR, "s", "no"), 5),
        (UpstreamError(Reason.UPSTREAM_UNREACHABLE, "s", "no"), 4),
    ],
)
def test_every_end_has_its_exit_code(
    error: BaseException,
    code: int,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "doorward.yaml").write_text("version: 1\n")
    monkeypatch.setattr(wiring, "serve", raising(error))
    assert main(["serve"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    if isinstance(error, DoorwardError):
        assert err.startswith(f"doorward: {error.message}\n")


def test_a_bug_says_so_and_shows_its_traceback_on_request(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "doorward.yaml").write_text("version: 1\n")
    monkeypatch.setattr(wiring, "serve", raising(RuntimeError("odd")))
    assert main(["serve"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("doorward: RuntimeError: odd (test_main.py:")
    assert "this is a bug" in error
    monkeypatch.setenv("DOORWARD_DEBUG", "1")
    assert main(["serve"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "doorward", "config", "schema"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("lifetime", ["101y", "99999w", "99999y"])
def test_a_key_cannot_outlive_the_calendar(lifetime: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "--agent", "ci-bot", "--expires", lifetime]) == 2
    assert "100 years at most" in capsys.readouterr().err
