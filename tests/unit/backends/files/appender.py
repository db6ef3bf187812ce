"""Appends numbered records until it is killed; prints each number after its append returned."""

import asyncio
import sys
from itertools import count
from pathlib import Path

from doorward.backends.files.segments import SegmentLog


async def main(directory: Path, first: int) -> None:
    log = SegmentLog(directory, segment_bytes=20_000)

    async def append(number: int) -> None:
        await log.append(b'{"n":%d,"pad":"%s"}' % (number, b"x" * (number % 300)))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()

    for start in count(first, 3):
        await asyncio.gather(*(append(start + offset) for offset in range(3)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
