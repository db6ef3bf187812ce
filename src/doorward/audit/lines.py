"""The two records of a permitted call, written from templates that are made once.

What a caller, a tool and a rule add to a decision record is the same in every call of one series, so it is
encoded with the first of them. The lines are byte for byte what `records.encode` makes of the same values;
what is not that usual is left to it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from doorward.audit import records
from doorward.audit.bounds import RECORD_BYTES
from doorward.audit.build import LONGEST_NAME, TYPES, actor_of, bounded, mcp_of, ruling_of, size_of, trace_of
from doorward.audit.digests import LARGE, DigestKeys
from doorward.audit.ids import FRACTIONS, prefix_of
from doorward.audit.records import NAMES
from doorward.model.call import Inbound
from doorward.model.verdict import ControlRun, Mode, Permit

MAX_TEMPLATES: Final = 4096
MAX_NAMES: Final = 64
"""Sets of argument names that are remembered with a template; a tool has few."""
_ENCODE: Final = msgspec.json.Encoder().encode
# Stand in for what differs from call to call. They are found by the names before them: in a JSON text a name
# with its quotes and colon is nothing that a value could hold.
_ID: Final = "\x00"
_SPELLED_ID: Final = "\\u0000"
_NUMBER: Final = 0
_MOST: Final = RECORD_BYTES // 8
"""Characters of either of the two long parts of a line; each may take four bytes."""
_OUTCOME: Final = f'{{"kind":"outcome","v":{records.VERSION},"id":"'
_NUMBERS: Final = tuple(str(n) for n in range(2048))
"""Looking a number up costs a third of spelling it."""
_SIZES: Final = tuple(f",{n}" for n in _NUMBERS)
_FEW: Final = len(_NUMBERS)
_THOUSANDTHS: Final = tuple(f".{n:03d}".rstrip("0") if n else ".0" for n in range(1000))
_MILLISECONDS: Final = tuple(whole + part for whole in _NUMBERS[:4] for part in _THOUSANDTHS)
"""By microseconds."""
_SOON: Final = len(_MILLISECONDS)
_KINDS: Final[Mapping[type, tuple[str, bool]]] = {
    kind: (letter, size_of(kind()) is not None) for kind, letter in zip(TYPES, "sinbzao", strict=True)
} | {msgspec.Raw: ("?", False)}
"""A letter for each type, and whether its values have a size. What nobody has decoded is not usual."""
_TYPES: Final = {letter: TYPES[kind] for kind, (letter, _) in _KINDS.items() if kind in TYPES}


class Template(msgspec.Struct, eq=False):
    """One decision record, cut at what differs. Joined, because `%` looks at every character of its text."""

    to_id: str
    to_ts: str
    to_call_id: str
    to_request_id: str
    to_hmac: str
    shown: bool
    """Whether values of arguments stand in the record: then no two are alike."""
    made_from: tuple[object, ...]
    """Kept, because ids of these are in the key: as long as they live nothing else can have them."""
    names: dict[tuple[str, ...], str] = {}
    """The members of `args` after `bytes` up to the sizes: by the letters of the arguments' types, and
    names."""


class CallLines:
    """Belongs to one configuration, whose revision and modes stand in the lines."""

    __slots__ = (
        "_gateway", "_keys", "_millisecond", "_modes", "_network", "_off", "_origins", "_prefix", "_revision",
        "_templates", "_ts", "_ways",
    )  # fmt: skip

    def __init__(
        self,
        keys: DigestKeys,
        network: Callable[[str], str],
        *,
        gateway: str,
        revision: str,
        modes: Mapping[str, Mode],
        ways: Mapping[str, records.Way],
        off: tuple[records.Skipped, ...],
    ) -> None:
        """`network`: of a peer address. `modes`, `ways`: by server. `off`: controls that never run."""
        self._keys = keys
        self._network = network
        self._gateway = gateway
        self._revision = revision
        self._modes = modes
        self._ways = ways
        self._off = off
        self._templates: dict[tuple[object, ...], Template] = {}
        self._origins: dict[str, str] = {}
        """By tenant: what stands between the time and the call's id."""
        self._millisecond = -1
        self._ts = self._prefix = ""
        """That millisecond spelled, and how its ids begin."""

    def decision(
        self, call_id: str, now: float, permit: Permit, inbound: Inbound, controls: Sequence[ControlRun] | str
    ) -> bytes | None:
        """The decision record of a permit; None for one that is not usual, or too large to be made at once.

        `now`: seconds since 1970. `controls`: themselves, or spelled as JSON.
        """
        call = permit.call
        series, spelled = call.series, call.spelled
        if series is None or spelled is None or not controls:
            return None
        peer = inbound.credential.peer
        known = (series, id(permit.principal), id(permit.target), permit.rules, permit.softened, peer)
        template = self._templates.get(known) or self._remember(known, permit, inbound)
        kinds = sizes = ""
        for value in spelled.arguments.values():
            letter, counted = _KINDS[type(value)]
            kinds += letter
            if counted:
                size = len(value)
                sizes += _SIZES[size] if size < _FEW else f",{size}"
            else:
                sizes += ",null"
        given = (kinds, *spelled.arguments)
        names = template.names.get(given) or _remember_names(template, given)
        if not names:
            return None
        ran = controls if isinstance(controls, str) else _ENCODE(controls).decode()
        ts = int(now * 1000)
        if ts != self._millisecond:
            self._turn(ts)
        keys, canonical, request_id = self._keys, spelled.canonical, call.id
        size = len(canonical)
        if size > LARGE:
            return None
        key = keys.key if now < keys.until else keys.at(now)
        number = str(request_id) if type(request_id) is int else _spell(bounded(request_id))
        return "".join(
            (
                template.to_id, call_id, template.to_ts, self._ts, template.to_call_id, call_id,
                template.to_request_id, number, template.to_hmac, key.digest(canonical),
                key.before_bytes, _NUMBERS[size] if size < _FEW else str(size), names,
                sizes[1:], ']},"controls":', ran, "}",
            )
        ).encode()  # fmt: skip

    def outcome(  # noqa: PLR0917
        self,
        call_id: str,
        now: float,
        tenant: str,
        outcome: str,
        result: bytes,
        total_s: float,
        upstream_s: float,
    ) -> bytes | None:
        """Of a call that brought a result. Durations in seconds; None when they are impossible,
        and for a result that is too large to be digested at once."""
        total, upstream = int(total_s * 1e6), int(upstream_s * 1e6)
        ours, size = total - upstream, len(result)
        if ours < 0 or upstream < 0 or size > LARGE:
            return None
        milliseconds = now * 1000
        ts = int(milliseconds)
        if ts != self._millisecond:
            self._turn(ts)
        keys = self._keys
        key = keys.key if now < keys.until else keys.at(now)
        # The random part is that of the call's id: unique with another time, and time has moved since.
        return "".join(
            (
                _OUTCOME, self._prefix, FRACTIONS[int((milliseconds - ts) * 4096)], call_id[18:], '","ts":',
                self._ts, self._origins.get(tenant) or self._remember_tenant(tenant), call_id,
                '","result":{"outcome":"', outcome, '","bytes":',
                _NUMBERS[size] if size < _FEW else str(size), ',"hmac":"', key.digest(result),
                key.before_latency,
                _MILLISECONDS[total] if total < _SOON else _milliseconds(total),
                ',"upstream":', _MILLISECONDS[upstream] if upstream < _SOON else _milliseconds(upstream),
                ',"gateway":', _MILLISECONDS[ours] if ours < _SOON else _milliseconds(ours), "}}",
            )
        ).encode()  # fmt: skip

    def _turn(self, ts: int) -> None:
        """Another millisecond since 1970."""
        self._millisecond, self._ts, self._prefix = ts, str(ts), prefix_of(ts)

    def _remember(self, known: tuple[object, ...], permit: Permit, inbound: Inbound) -> Template:
        """Encode one such record as a whole and cut it at what differs."""
        principal, call, target = permit.principal, permit.call, permit.target
        whole = records.encode(
            records.Decision(
                v=records.VERSION,
                id=_ID,
                ts=_NUMBER,
                gateway=self._gateway,
                tenant=principal.tenant,
                call_id=_ID,
                actor=actor_of(principal, call),
                peer=self._network(inbound.credential.peer),
                mcp=msgspec.structs.replace(mcp_of(inbound, call, target), request_id=_NUMBER),
                op_class=target.op_class,
                way=self._ways.get(target.server),
                trace=trace_of(call),
                skipped=self._off,
                decision=ruling_of(permit, target, self._revision, self._modes),
            )
        ).decode()
        to_id, rest = _cut(whole, '"id":"', _SPELLED_ID)
        to_ts, rest = _cut(rest, '"ts":', str(_NUMBER))
        to_call_id, rest = _cut(rest, '"call_id":"', _SPELLED_ID)
        to_request_id, rest = _cut(rest, '"request_id":', str(_NUMBER))
        definition = target.definition
        shown = definition is not None and bool(definition.safe)
        to_hmac = rest.removesuffix("}") + ',"args":{"received_hmac":"'
        if len(self._templates) >= MAX_TEMPLATES:
            self._templates.clear()
        made = Template(to_id, to_ts, to_call_id, to_request_id, to_hmac, shown, (principal, target))
        self._templates[known] = made
        return made

    def _remember_tenant(self, tenant: str) -> str:
        origin = f',"tenant":{_spell(tenant)},"gateway":{_spell(self._gateway)},"call_id":"'
        self._origins[tenant] = origin
        return origin


def _remember_names(template: Template, given: tuple[str, ...]) -> str:
    """Empty when there is nothing to remember: no arguments, some that the record shows, or what would have
    to be cut or left out."""
    kinds, *names = given
    usual = 0 < len(names) <= NAMES and "?" not in kinds and max(map(len, names)) <= LONGEST_NAME
    if template.shown or not usual:
        return ""
    types = tuple(_TYPES[letter] for letter in kinds)
    whole = _spell(records.Args("", "", _NUMBER, tuple(names), types, sizes=(_NUMBER,)))
    _, rest = _cut(whole, '"bytes":', str(_NUMBER))
    text = rest.removesuffix("0]}")
    if len(template.to_hmac) + len(text) > _MOST:
        return ""
    if len(template.names) >= MAX_NAMES:
        template.names.clear()
    template.names[given] = text
    return text


def _milliseconds(microseconds: int) -> str:
    return f"{microseconds // 1000}{_THOUSANDTHS[microseconds % 1000]}"


def _spell(value: Any) -> str:
    return _ENCODE(value).decode()


def _cut(text: str, name: str, value: str) -> tuple[str, str]:
    """What stands before the value of the first member of that name, the name included, and what follows."""
    before, found, after = text.partition(name + value)
    assert found
    return before + name, after
