"""`python -m tests.conformance.client.behind URL`: the client of this package, with Doorward before URL."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.conformance import world
from tests.e2e.support.gateway import DOORWARD, Gateway
from tests.e2e.support.processes import GRACE_S, wait_until

CLIENT_S: Final = 60.0
START_S: Final = 60.0


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder), world.config({"suite": sys.argv[-1]}))
        # In our own process group, which the harness ends when the suite has lost patience with us.
        process = subprocess.Popen([DOORWARD, "serve", "-c", str(gateway.config)], stdout=sys.stderr)
        try:
            wait_until(lambda: process.poll() is not None or gateway.ready(), "it serves", START_S)
            command = world.module("tests.conformance.client", f"{gateway.url}/mcp/suite")
            return subprocess.run(command, timeout=CLIENT_S, check=False).returncode
        finally:
            process.terminate()
            process.wait(GRACE_S)


if __name__ == "__main__":
    sys.exit(main())
