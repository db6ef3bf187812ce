"""Writes audit logs as docs/reference/audit-log.md describes them, with nothing of the real writer in it.

What the verifier is tested against must not share a mistake with what it judges.
"""

import base64
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORIGIN = "doorward.dev/log/00112233445566ff"


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is defined there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def signing_key(number: int) -> Ed25519PrivateKey:
    """The same one each time."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"key %d" % number).digest())


def key_id(key: Ed25519PrivateKey, origin: str) -> bytes:
    return sha256(origin.encode() + b"\n" + _public(key)).digest()[:4]


def verifier_key(key: Ed25519PrivateKey, origin: str = ORIGIN) -> str:
    return f"{origin}+{key_id(key, origin).hex()}+{base64.b64encode(_public(key)).decode()}"


def _public(key: Ed25519PrivateKey) -> bytes:
    return b"\x01" + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Logbook:
    """One log in `root`, written to its end with the methods below."""

    def __init__(self, root: Path, *, origin: str = ORIGIN) -> None:
        self.root = root
        self.origin = origin
        self.keys = [signing_key(0)]
        self.announced = [verifier_key(self.keys[0], origin)]
        self.leaves: list[bytes] = []
        self.lines: list[bytes] = []
        self.firsts: dict[int, int] = {}
        """Number of the first record of each segment."""
        self.segment = 0
        self.ts = 1_760_000_000_000
        (root / "checkpoints").mkdir(parents=True)
        self.write_keys()
        self.open_segment()

    @property
    def path(self) -> Path:
        """The open segment."""
        return self.root / f"{self.segment:08d}.jsonl"

    def write_keys(self) -> None:
        (self.root / "keys").write_text("".join(f"{key}\n" for key in self.announced))

    def put(self, kind: str, **members: Any) -> int:
        """One more record, 10 ms later; its number."""
        self.ts += 10
        number = len(self.leaves)
        identity = f"0199c8a0-0000-7000-8000-{number:012x}"
        head = {"kind": kind, "v": 2, "id": identity, "ts": self.ts, "tenant": "default"}
        line = json.dumps({**head, **members}, separators=(",", ":")).encode()
        with self.path.open("ab") as file:
            file.write(line + b"\n")
        self.lines.append(line)
        self.leaves.append(sha256(b"\x00" + line).digest())
        return number

    def open_segment(self) -> None:
        previous, self.segment = self.segment, self.segment + 1
        self.firsts[self.segment] = len(self.leaves)
        root = base64.b64encode(root_of(self.leaves)).decode()
        more = {"previous": f"{previous:08d}"} if previous else {}
        self.put("segment", number=self.segment, first=len(self.leaves), root=root, **more)

    def lifecycle(self, event: str, **detail: Any) -> int:
        return self.put("lifecycle", event=event, detail=detail)

    def decisions(self, count: int) -> None:
        for _ in range(count):
            self.put("decision", call_id="0199c8a0-0000-7000-8000-000000000000", safe={"n": len(self.leaves)})

    def note(self, signers: Sequence[Ed25519PrivateKey] | None = None) -> str:
        """A checkpoint over all records so far."""
        root = base64.b64encode(root_of(self.leaves)).decode()
        body = f"{self.origin}\n{len(self.leaves)}\n{root}\n"
        lines = [
            f"\u2014 {self.origin} "
            + base64.b64encode(key_id(key, self.origin) + key.sign(body.encode())).decode()
            for key in signers or self.keys[-1:]
        ]
        return body + "\n" + "".join(f"{line}\n" for line in lines)

    def checkpoint(self, signers: Sequence[Ed25519PrivateKey] | None = None) -> str:
        note = self.note(signers)
        with (self.root / "checkpoints" / f"{self.segment:08d}.jsonl").open("a") as file:
            file.write(json.dumps({"at": self.ts, "note": note}) + "\n")
        (self.root / "checkpoint").write_text(note)
        self.write_tiles()
        return note

    def rotate(self, *, announced: bool = True) -> None:
        """A new signing key, and the checkpoint that both sign."""
        old, new = self.keys[-1], signing_key(len(self.keys))
        self.keys.append(new)
        before, after = verifier_key(old, self.origin), verifier_key(new, self.origin)
        if announced:
            self.put(
                "change", action="secret:rotate", object="checkpoints",
                before={"key": before}, after={"key": after},
            )  # fmt: skip
        self.announced.append(after)
        self.write_keys()
        self.checkpoint([old, new])

    def write_tiles(self) -> None:
        level, hashes = 0, self.leaves
        while hashes:
            for start in range(0, len(hashes), 256):
                self._write_tile(level, start // 256, hashes[start : start + 256])
            whole = len(hashes) - len(hashes) % 256
            hashes = [root_of(hashes[at : at + 256]) for at in range(0, whole, 256)]
            level += 1

    def _write_tile(self, level: int, number: int, hashes: Sequence[bytes]) -> None:
        path = self.tile(level, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if len(hashes) == 256:
            path.write_bytes(b"".join(hashes))
            return
        partial = path.with_name(path.name + ".p")
        partial.mkdir(exist_ok=True)
        for old in partial.iterdir():
            old.unlink()
        (partial / str(len(hashes))).write_bytes(b"".join(hashes))

    def tile(self, level: int, number: int) -> Path:
        digits = f"{number:09d}"
        groups = [digits[:3], digits[3:6], digits[6:]]
        while len(groups) > 1 and groups[0] == "000":
            groups.pop(0)
        return self.root / "tile" / str(level) / Path(*(f"x{group}" for group in groups[:-1]), groups[-1])

    def prune(self, segment: int, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Remove what `keep` does not name from a closed segment, and say so in the log."""
        path = self.root / f"{segment:08d}.jsonl"
        first = self.firsts[segment]
        lines = path.read_bytes().splitlines()
        kept = [(first + at, line) for at, line in enumerate(lines) if at == 0 or keep(json.loads(line))]
        root = base64.b64encode(root_of(self.leaves[: first + len(lines)])).decode()
        self.lifecycle(
            "segment_pruned", segment=f"{segment:08d}", first=first, records=len(lines), kept=len(kept),
            root=root, classes=["decision"],
        )  # fmt: skip
        rows = [json.dumps({"n": number, "record": line.decode()}) + "\n" for number, line in kept]
        (self.root / f"{segment:08d}.kept.jsonl").write_text("".join(rows))
        path.unlink()
