"""The rules of a server that is blocked: whatever they would allow is denied, and says so.

What they hide stays hidden, so a block tells nobody of a tool that they could not see. No mode softens it.
Lists leave out what is denied, so a blocked server's tools are gone from them until the block ends.
"""

from typing import Final

from doorward.model.reasons import Reason
from doorward.model.target import Target
from doorward.model.verdict import Allow, Deny
from doorward.policy.book import Book, Standing

MESSAGE: Final = "this server is blocked by an operator"


class BlockedBook(Book):
    """A book with nothing left to allow."""

    def _stand(self, agent: str, target: Target) -> Standing:
        verdict = super()._stand(agent, target).verdict
        if isinstance(verdict, Allow) or verdict.visible:
            verdict = Deny(Reason.BLOCKED, MESSAGE, visible=True, softenable=False)
        return Standing(verdict)
