"""`python -m tests.conformance.client.behind URL`: the client of this package, with Doorward before URL."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.conformance import world

CLIENT_S: Final = 30.0


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        # What the scenario's server offers, if anything, is what the scenario is about: nothing is awaited.
        world.gateway(Path(folder), {"suite": sys.argv[-1]}, settled=False) as gateway,
    ):
        command = world.module("tests.conformance.client", f"{gateway.url}/mcp/suite")
        code = subprocess.run(command, timeout=CLIENT_S, check=False).returncode
        print(gateway.process.said(), file=sys.stderr)
        return code


if __name__ == "__main__":
    sys.exit(main())
