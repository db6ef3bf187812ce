"""The encoder: exact or a misfit, readable back, and meaning in Cedar what it means in JSON."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.policy.compile import Rule, Where, condition_test, policy
from doorward.policy.encode import MISFIT, CedarType, Opaque, Record, Scalar, SetOf, encode
from doorward.policy.globs import Pattern
from doorward.policy.slices import Slice
from tests.unit.policy.build import at, when

WHERE = Where("a", "gh", "Doorward::gh", "t")
RULE = Rule(True, Pattern("t"), at(), ())

longs = st.integers(-(2**63), 2**63 - 1)
decimals = st.integers(-(2**50), 2**50).map(lambda n: n / 10_000) | st.integers(-(10**14), 10**14)
strings = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
values: dict[Scalar, st.SearchStrategy[Any]] = {
    Scalar.LONG: longs,
    Scalar.DECIMAL: decimals,
    Scalar.STRING: strings,
    Scalar.BOOL: st.booleans(),
}
names = st.sampled_from(["__entity", "__extn", "__expr", "type"]) | st.text(
    min_size=0, max_size=5, alphabet=st.characters(exclude_categories=["Cs"])
)
types: st.SearchStrategy[CedarType] = st.recursive(
    st.sampled_from([*Scalar, Opaque()]),
    lambda inner: st.builds(SetOf, inner) | st.builds(Record, st.dictionaries(names, inner, max_size=3)),
    max_leaves=5,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def value_of(kind: CedarType) -> st.SearchStrategy[Any]:
    match kind:
        case Scalar():
            return values[kind]
        case Opaque():
            return json_values.filter(lambda value: value is not None)
        case SetOf():
            return st.lists(value_of(kind.element), max_size=3)
        case Record():
            return st.fixed_dictionaries({}, optional={n: value_of(of) for n, of in kind.attributes.items()})


def decode(cedar: Any, kind: CedarType) -> Any:
    """What Cedar's JSON form says, for everything but what is opaque."""
    match kind:
        case Scalar.DECIMAL:
            return Decimal(cedar["__extn"]["arg"])
        case Opaque():
            return ...
        case SetOf():
            return [decode(item, kind.element) for item in cedar]
        case Record():
            return {name: decode(item, kind.attributes[name]) for name, item in cedar.items()}
    return cedar


def readable(value: Any, kind: CedarType) -> Any:
    """The value as `decode` gives it back."""
    match kind:
        case Scalar.DECIMAL:
            return Decimal(repr(value))
        case Opaque():
            return ...
        case SetOf():
            return [readable(item, kind.element) for item in value]
        case Record():
            return {name: readable(item, kind.attributes[name]) for name, item in value.items()}
    return value


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    kind = data.draw(types)
    value = data.draw(value_of(kind))
    assert decode(encode(value, kind), kind) == readable(value, kind)


@given(json_values, types)
def test_any_json_is_encoded_or_a_misfit(value: Any, kind: CedarType) -> None:
    encoded = encode(value, kind)
    if encoded is not MISFIT:
        json.dumps(encoded, allow_nan=False).encode("utf-8")


@settings(max_examples=50)
@given(st.data())
def test_cedar_takes_what_was_encoded(data: st.DataObject) -> None:
    """Also when the value was made for another type: a misfit is the encoder's to find, never Cedar's."""
    given_type = Record(data.draw(st.dictionaries(names, types, max_size=3)))
    value = data.draw(value_of(given_type) | json_values)
    encoded = encode(value, given_type)
    if encoded is not MISFIT:
        assert Slice(WHERE, [policy(RULE, WHERE, [])], given_type).ask(encoded).allowed


@settings(max_examples=100)
@given(st.data())
def test_equality_in_cedar_is_equality_of_values(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(Scalar)))
    wanted = data.draw(values[kind])
    value = data.draw(values[kind] | st.just(wanted))
    test = condition_test(when("x", "equals", wanted), "context.input", kind)
    assert test is not None
    asked = Slice(WHERE, [policy(RULE, WHERE, [test])], Record({"x": kind}))
    assert asked.ask({"x": encode(value, kind)}).allowed is (value == wanted)


@settings(max_examples=100)
@given(st.sampled_from([Scalar.LONG, Scalar.DECIMAL]), st.sampled_from(["at_least", "at_most"]), st.data())
def test_order_in_cedar_is_order_of_numbers(kind: Scalar, test: str, data: st.DataObject) -> None:
    wanted = data.draw(values[kind])
    value = data.draw(values[kind] | st.just(wanted))
    text = condition_test(when("x", test, wanted), "context.input", kind)
    assert text is not None
    asked = Slice(WHERE, [policy(RULE, WHERE, [text])], Record({"x": kind}))
    expected = value >= wanted if test == "at_least" else value <= wanted
    assert asked.ask({"x": encode(value, kind)}).allowed is expected
