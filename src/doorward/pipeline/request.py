"""The spine: everything that happens to one message, in order. Nothing else calls an upstream.

Guarantees (DESIGN section 2): no step can be skipped, because each one needs what the step before it
returned; `send` takes a `Permit`, and only the final step of policy makes one. No record, no effect: the
decision record has left our memory before the call leaves the building. Errors are not handled here:
`door.py`, the only caller, gives every end its record and `rescue.py` gives it its answer.
"""

from time import perf_counter as now
from typing import Final

from doorward.model.call import Call, Inbound
from doorward.model.verdict import Allow, Deny, Facts, Hold, Permit
from doorward.pipeline.gateway import Gateway
from doorward.pipeline.trail import Trail
from doorward.wire import large

NOTHING: Final = Facts()


async def handle(inbound: Inbound, gw: Gateway, trail: Trail) -> None:
    """To `trail.ended` the reply of a permitted call, the refusal of any other, None where none is wanted.

    Raises DoorwardError by blame and CancelledError; `trail` then says how far the message came.
    """
    principal = gw.identity.identify(inbound.credential, inbound.endpoint)  # who is asking
    if principal is None:  # an issuer has to be asked before that can be said
        principal = await gw.identity.ask(inbound.credential, inbound.endpoint)
    trail.principal = principal
    trail.identified = now()

    # what is asked: strict bytes -> one call of a known era; while a large one is read, others are served
    if len(inbound.body) > large.SMALL and large.takes_long(inbound.body):
        call = await gw.reader.read_large(inbound, principal, trail)
    else:
        call = gw.reader.read(inbound, principal, trail)
    trail.understood = now()
    if not isinstance(call, Call):
        gw.calls.note(call)
        trail.ended = None
        return
    trail.call = call
    gw.calls.enter(call, trail)

    target = trail.target = gw.router.route(call, principal)  # which server, tool, definition
    trail.routed = now()

    verdict: Allow | Permit | Deny | Hold
    verdict = trail.said = gw.policy.decide(principal, target, call.judged())  # what the rules say
    trail.judged = now()

    facts = NOTHING
    if isinstance(verdict, Allow):  # the stages may only tighten, or change arguments
        gw.reader.confirm(inbound, call, target)  # not earlier: it would betray a hidden tool
        if gw.before.slots and gw.before.concerns(principal):
            call, facts, verdict = await gw.before.run(call, principal, target, verdict, trail)

    if isinstance(verdict, Allow):  # the final word, on what will really be sent
        verdict = gw.policy.conclude(call, principal, target, verdict, facts, trail.decision_id)

    trail.verdict = verdict
    await gw.recorder.decision(trail)  # no record, no effect
    if not isinstance(verdict, Permit):
        trail.ended = verdict
        return

    trail.sent = True
    reply = await gw.upstream.send(verdict)  # the only line that leaves the building
    if call.endpoint is None and gw.aggregate.concerns(verdict, reply):
        reply = await gw.aggregate.exposed(verdict, reply)  # URIs, as the aggregate shows them
    if gw.after.slots:
        reply = await gw.after.run(verdict, reply, trail)
    await gw.recorder.outcome(trail, reply)
    trail.ended = reply
