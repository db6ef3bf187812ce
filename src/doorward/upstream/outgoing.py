"""A permitted call as its server wants it: the server's own names, the envelope of the server's era."""

from typing import Any

from doorward.model.call import Call, Era
from doorward.model.target import Kind
from doorward.model.verdict import Permit
from doorward.upstream.conversation import CLIENT
from doorward.wire import asking, extensions, meta


def outgoing(
    permit: Permit, era: Era, version: str, token: int, may_ask: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Params with `_meta`. What the caller called its target is replaced by what the server calls it.

    A modern server is told what the caller can be asked, as far as it `may_ask`, and what passes of its
    extensions. Of a caller of the other era it is told nothing that could be asked: no question could be
    carried in the middle of a call, and who knows that before can do without.
    """
    call, target = permit.call, permit.target
    params = dict(call.params)
    params.pop("task", None)  # tasks are not offered, so who asks for one is answered as if he had not
    kind = target.kind
    if call.method == "completion/complete":
        member = "name" if kind is Kind.PROMPT else "uri"
        params["ref"] = {**params["ref"], member: target.name}
    elif kind is Kind.RESOURCE or kind is Kind.TEMPLATE:
        params["uri"] = target.name
    else:
        params["name"] = target.name
    asks = call.progress_token is not None and call.events is not None
    if not (asks or call.meta) and era is Era.LEGACY:
        return params  # the usual call: `stamp_meta` would have nothing to say
    stamped = meta.stamp_meta(
        call.meta,
        era=era,
        version=version,
        capabilities={} if era is Era.LEGACY else _capabilities(call, may_ask),
        client=call.client or CLIENT,
        log_level=call.log_level,
        progress_token=token if asks else None,
    )
    if stamped:
        params["_meta"] = stamped
    return params


def _capabilities(call: Call, may_ask: tuple[str, ...]) -> dict[str, Any]:
    asked = asking.declared(call.capabilities, may_ask, call.version) if call.era is Era.MODERN else {}
    return asked | extensions.passed(call.capabilities)


def input_schema(permit: Permit) -> dict[str, Any] | None:
    """Of the called tool; it says which arguments a modern server wants in header fields."""
    definition = permit.target.definition
    schema = definition.listed.get("inputSchema") if definition is not None else None
    return schema if isinstance(schema, dict) else None
