"""A stdio server that does not want to end: deaf to signals and to the end of its input, with daemons."""

import os
import signal
import subprocess
import time

from mcp.server import MCPServer


def daemon() -> int:
    """A process that has left our group and session, and has no parent of ours."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b"%d" % os.getpid())
            for standard in (0, 1, 2, writer):
                os.close(standard)
            time.sleep(120)
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as said:
        return int(said.read())


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # noqa: TID251 - no part of the event loop's process
    server = MCPServer("clinging", log_level="WARNING")

    @server.tool()
    def family() -> list[int]:
        """Its own process, a child of its group and a daemon."""
        child = subprocess.Popen(["sleep", "120"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return [os.getpid(), child.pid, daemon()]

    @server.tool()
    def crash() -> None:
        """Ends at once."""
        os._exit(3)

    server.run("stdio")
    time.sleep(120)


if __name__ == "__main__":
    main()
