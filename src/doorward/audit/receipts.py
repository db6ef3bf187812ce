"""Receipts: one record with the proof that it stands in the log (C2SP tlog-proof).

`verifier.py` reads what is written here, and shares nothing with it.
"""

import base64
from collections.abc import Sequence
from typing import Final

TITLE: Final = "c2sp.org/tlog-proof@v1"


def receipt(record: bytes, number: int, proof: Sequence[bytes], note: str) -> str:
    """`number`: the record's place in the log. `note`: a checkpoint that covers it, as it was issued."""
    lines = [
        TITLE,
        f"extra {base64.b64encode(record).decode()}",
        f"index {number}",
        *(base64.b64encode(step).decode() for step in proof),
    ]
    return "\n".join(lines) + "\n\n" + note
