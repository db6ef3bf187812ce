"""Calls of 2026-07-28 that take several rounds: the server answers with questions, the client comes again.

Both directions are here, because they must agree: what leaves with a seal is what may come back.
"""

import hashlib
import os
import time
from collections.abc import Callable
from typing import Any, Final

from doorward.model.call import Call, Era
from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.ports.asks import Asks
from doorward.ports.secrets import SecretRing, VersionEnded
from doorward.upstream import visits
from doorward.upstream.bridging import Unfinished, forbidden, unbridged, undeclared
from doorward.upstream.failure import failure
from doorward.upstream.settings import ServerSettings
from doorward.wire import asking, input_required, relocate_asked, request_state
from doorward.wire.asking import Objection, Question
from doorward.wire.errors import WireError
from doorward.wire.request_state import Bound, Sealed

PURPOSE: Final = "request-state"
STATE_S: Final = 3600.0
"""How long a person may take to answer."""


class OwnKey:
    """Implements ports.SecretRing for a server that is given none: what it seals ends with the process."""

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def current(self, purpose: str) -> tuple[int, bytes]:
        return 1, self._key

    def version(self, purpose: str, number: int) -> bytes:
        return self._key


class Rounds:
    """Of one server."""

    def __init__(
        self,
        settings: ServerSettings,
        ring: SecretRing,
        clock: Callable[[], float] = time.time,
        asks: Asks | None = None,
    ) -> None:
        self._asks = asks
        self.server = settings.name
        self._may_ask = settings.may_ask
        self._ring = ring
        self._clock = clock
        reached_by = settings.url or "\0".join(settings.command or ())
        self._identity = f"{settings.name} {hashlib.sha256(reached_by.encode()).hexdigest()[:16]}"

    def outgoing(self, permit: Permit, params: dict[str, Any], era: Era) -> None:
        """Put the server's own state back into the `params` of a retry, and its own URIs into the answers.

        Raises CallerError(REQUEST_STATE_INVALID) for a seal that we did not make for this very call.
        """
        if permit.call.era is not era or era is Era.LEGACY:
            if permit.call.era is Era.MODERN and "requestState" in params:
                raise _invalid("it was not issued for this server")
            params.pop("requestState", None)
            params.pop("inputResponses", None)
            return
        if permit.call.endpoint is None and "inputResponses" in params:
            params["inputResponses"] = relocate_asked.answers(self.server, params["inputResponses"])
        if "requestState" in params:
            params["requestState"] = self._open(params["requestState"], permit).state

    def incoming(self, permit: Permit, result: bytes) -> bytes:
        """A result that is not complete, as the caller gets it.

        Raises PolicyError(ASK_NOT_ALLOWED), CallerError(CAPABILITY_MISSING) when it asks what it may not,
        UpstreamError(UPSTREAM_PROTOCOL_ERROR) for any other kind of result than the two that we offer,
        Unfinished for a legacy caller: its rounds are made for it.
        """
        call = permit.call
        try:
            kind = input_required.kind_of(result)
            if kind == input_required.COMPLETE:
                return result
            if kind != input_required.INPUT_REQUIRED or call.method not in input_required.METHODS:
                raise WireError(f"a result of type {kind[:40]!r} was not offered to it")
            asked = input_required.read(result)
            for question in asked.questions:
                self._judge(question, call)
            if call.era is Era.LEGACY:
                raise Unfinished(asked)
            return result if asked.state is None else asked.with_state(self._seal(asked.state, permit))
        except WireError as error:
            text = f"sent an unusable result: {error}"
            raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, self.server, text) from error

    def visit(self, call: Call, era: Era, data: Any) -> None:
        """-32042 of the server: see visits.py, also for what it raises."""
        visits.judge(self.server, call, era, self._may_ask)
        if self._asks is not None and call.session is not None and era is Era.LEGACY:
            for elicitation in visits.elicitations(data):
                self._asks.elicited(call.session.id, self.server, elicitation)

    def explain_missing(self, call: Call, era: Era, data: Any) -> None:
        """What -32021 of the server means for this caller: returns when it is the caller's own to mend.

        Raises PolicyError(ASK_NOT_ALLOWED) when the operator keeps the capability from the server,
        UpstreamError(BRIDGE_UNSUPPORTED) when the eras do, UpstreamError(UPSTREAM_PROTOCOL_ERROR) when it
        does not name one (2026-07-28 requires it): nobody could mend that.
        """
        needed = data.get("requiredCapabilities") if isinstance(data, dict) else None
        if not isinstance(needed, dict):
            if era is Era.LEGACY:
                return  # where the code may mean anything
            text = "refused the call for lack of a client capability and did not say which"
            raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, self.server, text)
        kinds = {kind: needed[kind] for kind in asking.KINDS.values() if kind in needed}
        could = asking.declared(call.capabilities, tuple(asking.KINDS.values()), call.version)
        if not kinds or not asking.covers(could, kinds):
            return
        for kind in kinds:
            if kind not in self._may_ask:
                raise forbidden(self.server, kind)
        if call.era is not era:
            raise unbridged(self.server, kinds)

    def _judge(self, question: Question, call: Call) -> None:
        objection = asking.judge(question, call.capabilities, self._may_ask, call.version)
        if objection is Objection.UNKNOWN:
            raise WireError("it asks for something that no client knows")
        if objection is Objection.FORBIDDEN:
            raise forbidden(self.server, question.kind)
        if objection is Objection.UNDECLARED:
            raise undeclared(self.server, question)

    def _bound(self, permit: Permit) -> Bound:
        call, target = permit.call, permit.target
        arguments = request_state.digest_of(call.params.get("arguments"))
        named = f"{target.kind} {target.name}"
        return Bound(self._identity, permit.principal.owner, call.method, named, arguments)

    def _seal(self, state: str, permit: Permit) -> str:
        version, key = self._ring.current(PURPOSE)
        sealed = Sealed(self._bound(permit), int(self._clock() + STATE_S), state)
        return request_state.seal(sealed, key, version, os.urandom(request_state.NONCE_BYTES))

    def _open(self, given: object, permit: Permit) -> Sealed:
        if not isinstance(given, str):
            raise _invalid("it is not a string")
        try:
            number = request_state.key_version(given)
            version, key = self._ring.current(PURPOSE)
            if number > version:  # asking the ring for it would read its file each time
                raise WireError("requestState was not issued here")
            sealed = request_state.unseal(
                given, key if number == version else self._ring.version(PURPOSE, number)
            )
        except WireError as error:
            raise _invalid(str(error)) from None
        except VersionEnded:
            raise _invalid("its key was ended") from None
        if sealed.bound != self._bound(permit):
            raise _invalid("it belongs to another call")
        if sealed.expires < self._clock():
            raise _invalid("it has expired")
        return sealed


def _invalid(why: str) -> CallerError:
    return CallerError(Reason.REQUEST_STATE_INVALID, f"params.requestState cannot be used: {why}")
