"""How a refusal of a use case ends a command (cli/refused.py)."""

import pytest

from doorward.cli.exit import CommandError, Exit
from doorward.cli.refused import refused
from doorward.control.errors import Conflict, Forbidden, Unknown


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (Forbidden("not you", "ask anna"), Exit.AUTH, "ask anna"),
        (Unknown("no such thing"), Exit.USAGE, None),
        (Conflict("not now", "later"), Exit.USAGE, "later"),
        (ValueError("no value"), Exit.USAGE, None),
    ],
)
def test_each_has_its_exit_code(error: Exception, code: Exit, hint: str | None) -> None:
    with pytest.raises(CommandError) as caught, refused():
        raise error
    assert (caught.value.exit_code, caught.value.hint) == (code, hint)
    assert str(error.args[0]) in caught.value.message


def test_a_bug_is_passed_on() -> None:
    with pytest.raises(KeyError), refused():
        raise KeyError("x")
