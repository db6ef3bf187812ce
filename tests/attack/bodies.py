"""JSON that is dear to read, byte for byte, and large JSON that is honest: values of about `size` bytes."""

import random
from collections.abc import Callable

Family = Callable[[int], bytes]


def listed(item: bytes) -> Family:
    return lambda size: b"[%b]" % b",".join([item] * (size // (len(item) + 1)))


def text(unit: bytes) -> Family:
    return lambda size: b'"%b"' % (unit * (size // len(unit)))


def table(size: int) -> bytes:
    row = b'{"id":%d,"name":"row %d","price":%d.25,"open":true,"tags":["a","b"],"owner":null}'
    return b"[%b]" % b",".join(row % (n, n, n) for n in range(size // 90))


def keys(size: int, most: int = 10**9) -> bytes:
    return b"{%b}" % b",".join(b'"%06x":1' % n for n in range(min(most, size // 11)))


def unsorted(size: int) -> bytes:
    names = random.Random(1).sample(range(1 << 24), min(50_000, size // 11))
    return b"{%b}" % b",".join(b'"%06x":1' % n for n in names)


HONEST: dict[str, Family] = {
    "base64": text(b"QUJD"),
    "prose, escaped lines": text(b"one line of some log, as it was written\\n"),
    "chinese": text("漢字".encode()),
    "emoji": text("😀".encode()),
    "table": table,
    "indented table": lambda size: table(size // 2).replace(b",", b",\n      "),
    "embedding": listed(b"-0.012345678901234567"),
    "measurements": listed(b"1.25e-05"),
    "ids": listed(b'"0b7c5e1e-6f4e-4f6c-9d57-0e0f5a0c1b2d"'),
    "names, 50,000": lambda size: keys(size, 50_000),
    "names, unsorted": unsorted,
}
HOSTILE: dict[str, Family] = {
    "depth 60": listed(b"[" * 56 + b"]" * 56),
    "depth without end": lambda size: b"[" * size,
    "depth of objects": listed(b'{"a":' * 50 + b"1" + b"}" * 50),
    "arrays": listed(b"[]"),
    "objects": listed(b'{"a":1}'),
    "ints of 4,000 digits": listed(b"9" * 4000),
    "ints of 20 digits": listed(b"9" * 20),
    "ints of 1 digit": listed(b"1"),
    "floats of 4,000 digits": listed(b"0." + b"123456789" * 444),
    "floats, large exponents": listed(b"1.7976931348623157e308"),
    "floats, tiny": listed(b"4.9e-324"),
    "floats, halfway": listed(b"9007199254740993.0000000000000000000000001"),
    "one number": lambda size: b"1" * size,
    "a million names": keys,
    "one name again and again": lambda size: b"{%b}" % b",".join([b'"a":1'] * (size // 6)),
    "strings, empty": listed(b'""'),
    "strings of 1": listed(b'"a"'),
    "escapes": text(b"\\n"),
    "escaped quotes": text(b'\\"'),
    "backslashes": text(b"\\\\"),
    "escaped letters": text(b"\\u0041"),
    "surrogate escapes": text(b"\\ud83d\\ude00"),
    "strings of escapes": listed(b'"\\u0041\\n"'),
    "brackets in a string": text(b"[{"),
    "blanks": lambda size: b" " * size + b"1",
    "line ends": lambda size: b"[1,%b2]" % (b"\n" * size),
    "blanks everywhere": listed(b" 1 "),
}
