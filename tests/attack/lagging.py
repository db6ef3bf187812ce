"""`doorward`, with a witness on its event loop: how long did one turn of it ever take?

    python lagging.py FILE ARGUMENT...

FILE holds one double, mapped by both sides: the most seconds of processor time between two turns of the
loop since whoever reads it put a zero there. Time of the processor, because a busy machine is no stall of
ours. The loop never sleeps meanwhile, so this is for nothing but measuring.
"""

import asyncio
import mmap
import struct
import sys
import time
from pathlib import Path

import uvloop

SIZE = 8


def witnessed(file: Path) -> None:
    """Every loop that is made from now on has the witness."""
    with file.open("r+b") as opened:
        shared = mmap.mmap(opened.fileno(), SIZE)
    make = uvloop.new_event_loop
    last = [0.0]

    def beat(loop: asyncio.AbstractEventLoop) -> None:
        now = time.thread_time()
        took, last[0] = now - last[0], now
        if took > struct.unpack("d", shared[:SIZE])[0]:
            shared[:SIZE] = struct.pack("d", took)
        loop.call_soon(beat, loop)

    def made() -> asyncio.AbstractEventLoop:
        loop = make()
        loop.call_soon(beat, loop)
        return loop

    uvloop.new_event_loop = made  # type: ignore[assignment]


if __name__ == "__main__":
    from doorward.cli.main import main

    witnessed(Path(sys.argv[1]))
    sys.argv = ["doorward", *sys.argv[2:]]
    sys.exit(main())
