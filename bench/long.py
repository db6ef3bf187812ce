"""`make bench-long`: what has to hold for minutes; merged into build/bench.json. See evidence.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness import machine, report, stage

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
SECONDS = os.environ.get("BENCH_LONG_S", "300")


def main() -> int:
    command = [sys.executable, str(BENCH / "evidence.py"), "long", SECONDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 2
    figures = json.loads(done.stdout)
    print(json.dumps({"audit_5000_per_s": figures}, indent=1))
    facts = machine.facts(ROOT / ".venv/bin/doorward", stage.find_nginx())
    report.write(ROOT / "build/bench.json", {"audit_5000_per_s": figures}, facts, merge=True)
    return 0 if figures["lost"] == 0 and figures["sound"] else 1


if __name__ == "__main__":
    sys.exit(main())
