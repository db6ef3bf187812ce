import pytest

from doorward.audit.entries import Entry, How, What, Who
from doorward.audit.filters import NUMBERS as NUMERIC
from doorward.audit.filters import TEXTS, parse
from doorward.audit.matching import COMMON, NUMBERS, OWN, Matcher

NOW = 1_790_000_000.0
CALL = Entry(
    41,
    1_789_999_000_000,
    "019a1ff5-745c-7746-981a-73a8fa7383ff",
    Who("default", "gw", "alice", ("robot",), "key", "bot", "KEY", "client/1"),
    What("http", "tools/call", "crm", "crm", "find", "tool", "crm__find", "cd" * 32, "read"),
    How("decision", "permit", "audit", None, ("r1", "x.yaml:7"), "no_grant", "ab", None, "timeout", 1,
        "late"),
    done=42, latency=12.5, bytes=900, peer="192.0.2.0/24", during="during", trace="trace", session="session",
    args="aa", sent="bb", result="cc",
)  # fmt: skip
BEAT = Entry(43, 1_789_999_500_000, "h", Who("default", "gw"), What(), How("heartbeat"))


HELD = """
kind=decision | kind=outcome | tool=crm.* | tool=find | tool=crm__find | server=crm | agent=b*t |
actor=alice | actor=robot | key=KEY | client=client/* | method=tools/* | decision=permit | rule=r1 |
rule=x.yaml:* | reason=no_grant | reason=late | outcome=timeout,ok | status=timeout | mode=audit |
class=read | definition=cdcd* | endpoint=crm | gateway=gw | tenant=default | call=019a* | args=aa | args=bb |
result=cc | peer=192.0.2.* | during=during | trace=trace | session=session | latency>=12.5 | latency<=12.5 |
latency=12.5 | latency!=12 | number=41 | bytes>=900 | since=1h | until=1s | outcome!=ok | agent!=x,y |
tool=crm.* agent=bot since=1d |
"""
NOT_HELD = """
kind=change | kind!=outcome | tool!=crm.find | tool=mail.* | actor!=robot | rule!=r1 | object=x | object!=x |
reason!=late | latency>=13 | latency<=12 | latency!=12.5 | args!=bb | since=1s | until=1h | agent=bot tool=x
"""


@pytest.mark.parametrize("text", [text.strip() for text in HELD.split("|")])
def test_every_field_finds_its_call(text: str) -> None:
    wanted = Matcher(parse(text, NOW))
    assert wanted.accepts(CALL)
    fields = {term.field for term in parse(text, NOW).terms} - {"kind", "gateway", "tenant", "number"}
    # What a record does not have is neither equal nor unequal to anything.
    assert wanted.accepts(BEAT) is (not fields and "kind" not in text and "number" not in text)


@pytest.mark.parametrize("text", [text.strip() for text in NOT_HELD.split("|")])
def test_every_field_leaves_out_what_is_not_meant(text: str) -> None:
    assert not Matcher(parse(text, NOW)).accepts(CALL)


def test_every_field_of_the_language_has_a_meaning() -> None:
    known = {field for fields in COMMON.values() for field in fields} | set(OWN)
    assert known == set(TEXTS)
    assert set(NUMBERS) == set(NUMERIC)
