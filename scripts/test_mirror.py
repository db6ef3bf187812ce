"""Does tests/unit mirror src/doorward? Every module that runs something has a test file of its own path.

What is tested through another door stands below, under the test that opens it; a row that is not needed any
more is as wrong as one that is missing. Values, Protocols and tables have nothing to run and need no row.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

SOURCE: Final = Path("src/doorward")
UNIT: Final = Path("tests/unit")

COVERED: Final[Mapping[str, tuple[str, ...]]] = {
    # The spine is told as stories, from a message to its answer and record.
    "tests/playbook/test_calls.py": (
        "pipeline/dispatch",
        "pipeline/door",
        "pipeline/evidence",
        "pipeline/read",
        "pipeline/request",
    ),
    "tests/playbook/test_stages.py": ("pipeline/run",),
    "tests/playbook/test_refusals.py": ("pipeline/unread",),
    # What it is for is the test: logs that somebody has changed.
    "tests/attack/test_tampering.py": ("audit/verifier",),
    "tests/unit/cli/test_evidence.py": ("app/verification",),
    "tests/unit/cli/test_hashing.py": ("app/hashing",),
    "tests/playbook/test_asking.py": ("audit/questions", "pipeline/asking"),
    "tests/unit/identity/test_directory.py": ("identity/key_proofs",),
    "tests/unit/identity/test_tokens.py": ("identity/questions",),
    "tests/unit/identity/test_introspection.py": ("ports/fetch",),
    # Rooms that have one door: whoever asks the engine, the loader or a command asks all that is behind it.
    "tests/unit/policy/test_engine.py": (
        "policy/book",
        "policy/conditions",
        "policy/explain",
        "policy/templates",
    ),
    "tests/unit/policy/test_shape.py": ("policy/compile",),
    "tests/unit/config/test_golden.py": (
        "config/admin",
        "config/check",
        "config/errors",
        "config/explain",
        "config/identity_check",
        "config/outbound_check",
        "config/rates",
    ),
    "tests/unit/config/test_outbound.py": ("config/proxies",),
    "tests/unit/config/test_load.py": (
        "config/globs",
        "config/masks",
        "config/model",
        "config/schema",
        "config/secret",
        "config/settings",
        "config/values",
    ),
    "tests/unit/config/test_document.py": ("config/scalars",),
    "tests/unit/cli/test_main.py": (
        "cli/audit",
        "cli/bridge",
        "cli/config",
        "cli/demo",
        "cli/exit",
        "cli/init",
        "cli/output",
        "cli/parser",
        "cli/secrets",
        "cli/serve",
        "cli/settings",
        "cli/trust",
        "cli/version",
        "cli/wiring",
    ),
    "tests/unit/cli/test_gateway.py": (
        "cli/client",
        "cli/credential",
        "cli/running",
        "cli/servers",
        "cli/status",
        "cli/tools",
    ),
    "tests/unit/cli/test_query.py": ("cli/asking",),
    "tests/unit/cli/test_whoami.py": ("cli/remote",),
    "tests/unit/audit/test_recorder.py": ("audit/build", "audit/records"),
    "tests/unit/edge/test_reader.py": ("edge/chunked", "edge/head", "edge/repeat"),
    "tests/unit/edge/test_connection.py": ("edge/hub", "edge/limits"),
    "tests/unit/cli/test_keys.py": ("cli/key_flags", "cli/key_pages"),
    "tests/unit/control/test_watch.py": ("control/outbox",),
    "tests/unit/control/test_operators.py": ("control/operator_proof", "control/operator_rules"),
    "tests/unit/control/test_roles.py": ("control/errors",),
    # Backends are what their port's suite says, against files and databases.
    "tests/unit/backends/files/test_index.py": (
        "backends/files/index_file",
        "backends/files/index_lines",
        "backends/files/index_parts",
        "backends/files/index_refresh",
        "backends/files/index_rows",
        "backends/files/index_sql",
        "backends/files/index_writer",
    ),
    "tests/unit/backends/files/test_ring.py": ("backends/files/private",),
    "tests/unit/backends/files/test_sealer.py": ("backends/files/checkpoints", "backends/files/tile_files"),
    "tests/unit/backends/files/test_segments.py": ("backends/files/recover",),
    "tests/unit/backends/sql/test_migrate.py": ("backends/sql/migrations/versions/0002_identity",),
    "tests/unit/backends/sql/test_sqlite.py": (
        "backends/sql/migrations/versions/0001_keys",
        "backends/sql/values",
        "backends/sql/store",
    ),
    # Wiring, sockets and processes are tested with real ones.
    "tests/unit/app/test_keys.py": ("app/admin/key_service", "app/outbox"),
    "tests/unit/app/admin/test_channel.py": ("app/admin/messages", "app/admin/remote"),
    "tests/unit/app/admin/test_local.py": ("app/terminal",),
    "tests/unit/api/test_app.py": ("api/guard",),
    "tests/unit/api/test_routes.py": (
        "api/blocks",
        "api/gateway",
        "api/keys",
        "api/operators",
        "api/perform",
    ),
    "tests/e2e/test_admin.py": (
        "app/admin/beside",
        "app/admin/child",
        "app/admin/place",
        "app/admin/plane",
        "app/admin/reach",
        "cli/admin_client",
        "cli/admin_wiring",
        "cli/administration",
        "cli/operators",
    ),
    "tests/attack/test_admin.py": ("app/admin/http",),
    "tests/unit/app/test_housekeeping.py": ("app/retention",),
    "tests/unit/app/test_reload.py": (
        "app/http_face",
        "app/process",
        "app/readiness",
        "app/serve",
        "app/world",
    ),
    "tests/e2e/test_bridge.py": ("app/bridge",),
    "tests/e2e/test_tls.py": ("cli/pinned",),
    "tests/unit/app/test_listener.py": ("config/tls",),
    "tests/e2e/test_serve_stdio.py": ("app/runner", "app/stdio"),
    "tests/e2e/test_demo.py": ("app/demo", "demo/main", "demo/terminal"),
    "tests/unit/demo/servers/test_servers.py": ("demo/servers/crm", "demo/servers/files"),
    "tests/unit/demo/test_scene.py": ("demo/script",),
    "tests/attack/test_http_refusals.py": ("edge/h1",),
    "tests/attack/test_http_listeners.py": ("edge/listeners",),
    "tests/attack/test_upstream_deadlines.py": ("upstream/dial",),
    "tests/attack/test_upstream_resume.py": ("upstream/events", "upstream/resume"),
    "tests/attack/test_upstream_http.py": (
        "upstream/conversation",
        "upstream/discovery",
        "upstream/failure",
        "upstream/http",
        "upstream/outgoing",
        "upstream/relay",
        "upstream/running",
        "upstream/server",
        "upstream/session",
    ),
    "tests/attack/test_upstream_sse.py": ("upstream/sse",),
    "tests/unit/upstream/test_stdio.py": ("upstream/channel",),
    "tests/attack/test_upstream_stdio.py": (
        "upstream/dialers",
        "upstream/exits",
        "upstream/live",
        "upstream/process",
        "upstream/settings",
        "upstream/warden",
        "upstream/warden_main",
    ),
    "tests/unit/pipeline/test_rescue.py": ("model/errors", "model/verdict"),
    "tests/unit/pipeline/test_batch.py": ("model/call",),
    "tests/unit/catalog/test_snapshot.py": ("model/target",),
}


def faults(
    root: Path, covered: Mapping[str, tuple[str, ...]] = COVERED, source: Path = SOURCE, unit: Path = UNIT
) -> Iterator[str]:
    """What is not as the module's docstring says, one sentence each."""
    found = {name_of(file, root / source): file for file in (root / source).rglob("*.py")}
    rows = {module: test for test, modules in covered.items() for module in modules}
    for module, file in sorted(found.items()):
        own = unit / Path(module).parent / f"test_{Path(module).name}.py"
        mirrored = (root / own).exists()
        if mirrored and module in rows:
            yield f"{module} has {own} and needs no row under {rows[module]}"
        elif not mirrored and module not in rows and runs_something(file):
            yield f"{module} has neither {own} nor a row in scripts/test_mirror.py"
        elif module in rows and not runs_something(file):
            yield f"{module} runs nothing and needs no row under {rows[module]}"
    for test, modules in covered.items():
        if not (root / test).exists():
            yield f"there is no {test}"
        if not modules:
            yield f"{test} stands for no module"
        yield from (f"there is no {module}, named under {test}" for module in modules if module not in found)


def name_of(file: Path, source: Path) -> str:
    """`pipeline/door` for `src/doorward/pipeline/door.py`."""
    return file.relative_to(source).with_suffix("").as_posix()


def runs_something(file: Path) -> bool:
    """Whether some function in it has a body; Protocols, values and tables have none."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(not _says_nothing(statement) for function in functions for statement in function.body)


def _says_nothing(statement: ast.stmt) -> bool:
    """A docstring, `...` or `pass`."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


def main() -> int:
    """Prints the faults of this repository; 1 when there are any."""
    wrong = list(faults(Path(__file__).resolve().parent.parent))
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
