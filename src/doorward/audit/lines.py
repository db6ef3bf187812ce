"""The two records of a permitted call, written from parts that are encoded once.

What a caller, a tool and a rule add to a decision record is the same in every call of theirs, so it is
encoded with the first of them. The lines are byte for byte what `records.encode` makes of the same values.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from doorward.audit import records
from doorward.audit.build import actor_of, args_of, bounded, mcp_of, ruling_of
from doorward.audit.digests import DigestKey
from doorward.model.call import Inbound
from doorward.model.verdict import ControlRun, Mode, Permit

MAX_PARTS: Final = 4096
_ENCODE: Final = msgspec.json.Encoder().encode
_PLAIN_INT: Final = 1 << 62
# Stand in for what differs from call to call. They are found by the names before them: in a JSON text a name
# with its quotes and colon is nothing that a value could hold.
_ID: Final = "\x00"
_SPELLED_ID: Final = "\\u0000"
_NUMBER: Final = 0
_THOUSANDTHS: Final = tuple(f".{n:03d}".rstrip("0") if n else ".0" for n in range(1000))


class _Parts(msgspec.Struct, gc=False):
    """One decision record without what differs."""

    to_id: str
    to_ts: str
    to_call_id: str
    to_request_id: str
    rest: str
    made_from: tuple[object, ...]
    """Kept, because ids of these are the key: as long as they live nothing else can have them."""


class CallLines:
    """Belongs to one configuration, whose revision and modes stand in the lines."""

    __slots__ = ("_gateway", "_modes", "_outcomes", "_parts", "_revision")

    def __init__(self, gateway: str, revision: str, modes: Mapping[str, Mode]) -> None:
        self._gateway = gateway
        self._revision = revision
        self._modes = modes
        self._parts: dict[tuple[object, ...], _Parts] = {}
        self._outcomes: dict[str, str] = {}
        """Tenant and gateway, by tenant."""

    def decision(  # noqa: PLR0917 - the parts of the record, in its order
        self,
        call_id: str,
        ts: int,
        peer: str,
        permit: Permit,
        inbound: Inbound,
        controls: Sequence[ControlRun],
        key: DigestKey,
    ) -> bytes:
        """`ts`: milliseconds since 1970. `peer`: the caller's network."""
        call = permit.call
        target = permit.target
        known = (
            id(permit.principal), id(target), id(call.client), id(permit.rules), id(permit.softened), peer,
            call.method, call.version, call.endpoint, inbound.transport,
        )  # fmt: skip
        parts = self._parts.get(known) or self._remember(known, permit, inbound, peer)
        asked = call.id
        if type(asked) is not int or not -_PLAIN_INT < asked < _PLAIN_INT:
            asked = _spell(bounded(asked))
        args = args_of(call, target, key)
        said = "" if args is None else f',"args":{_ENCODE(args).decode()}'
        ran = f',"controls":{_ENCODE(controls).decode()}' if controls else ""
        return (
            f"{parts.to_id}{call_id}{parts.to_ts}{ts}{parts.to_call_id}{call_id}"
            f"{parts.to_request_id}{asked}{parts.rest}{said}{ran}}}"
        ).encode()

    def outcome(  # noqa: PLR0917
        self,
        record_id: str,
        ts: int,
        tenant: str,
        call_id: str,
        outcome: str,
        result: bytes,
        key: DigestKey,
        total: int,
        upstream: int,
    ) -> bytes:
        """Of a call that brought a result. `total` and `upstream`: microseconds, neither below zero."""
        origin = self._outcomes.get(tenant) or self._remember_tenant(tenant)
        ours = total - upstream
        return (
            f'{{"kind":"outcome","v":{records.VERSION},"id":"{record_id}","ts":{ts}{origin}{call_id}",'
            f'"result":{{"outcome":"{outcome}","bytes":{len(result)},"hmac":"{key.digest(result)}",'
            f'"key":{key.spelled_name}}},"latency_ms":{{"total":{total // 1000}{_THOUSANDTHS[total % 1000]},'
            f'"upstream":{upstream // 1000}{_THOUSANDTHS[upstream % 1000]},'
            f'"gateway":{ours // 1000}{_THOUSANDTHS[ours % 1000]}}}}}'
        ).encode()

    def _remember(self, known: tuple[object, ...], permit: Permit, inbound: Inbound, peer: str) -> _Parts:
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
                peer=peer,
                mcp=msgspec.structs.replace(mcp_of(inbound, call, target), request_id=_NUMBER),
                op_class=target.op_class,
                decision=ruling_of(permit, target, self._revision, self._modes),
            )
        ).decode()
        to_id, rest = _cut(whole, '"id":"', _SPELLED_ID)
        to_ts, rest = _cut(rest, '"ts":', str(_NUMBER))
        to_call_id, rest = _cut(rest, '"call_id":"', _SPELLED_ID)
        to_request_id, rest = _cut(rest, '"request_id":', str(_NUMBER))
        made_from = (principal, target, call.client, permit.rules, permit.softened)
        if len(self._parts) >= MAX_PARTS:
            self._parts.clear()
        parts = _Parts(to_id, to_ts, to_call_id, to_request_id, rest.removesuffix("}"), made_from)
        self._parts[known] = parts
        return parts

    def _remember_tenant(self, tenant: str) -> str:
        origin = f',"tenant":{_spell(tenant)},"gateway":{_spell(self._gateway)},"call_id":"'
        self._outcomes[tenant] = origin
        return origin


def _spell(value: int | str) -> str:
    return _ENCODE(value).decode()


def _cut(text: str, name: str, value: str) -> tuple[str, str]:
    """What stands before the value of the first member of that name, the name included, and what follows."""
    before, found, after = text.partition(name + value)
    assert found
    return before + name, after
