from pathlib import Path

import pytest

from doorward.demo.servers.customers import PEOPLE, Customers


@pytest.fixture
def customers(tmp_path: Path) -> Customers:
    made = Customers(tmp_path / "crm.sqlite")
    made.seed()
    return made


def test_seed_fills_once(customers: Customers) -> None:
    customers.seed()

    assert len(customers.find("", 100)) == len(PEOPLE)


@pytest.mark.parametrize("query", ["quill", "QUILL BIND", "@quill.example"])
def test_find_looks_at_name_company_and_email(customers: Customers, query: str) -> None:
    assert [found.name for found in customers.find(query, 5)] == ["Ada Quill"]


def test_find_does_not_match_across_fields(customers: Customers) -> None:
    assert customers.find("quillquill", 5) == []


@pytest.mark.parametrize("query", ["%", "_", "' OR 1=1 --"])
def test_find_takes_its_text_literally(customers: Customers, query: str) -> None:
    assert customers.find(query, 5) == []


def test_find_stops_at_the_limit(customers: Customers) -> None:
    assert [found.id for found in customers.find("example", 3)] == [1, 2, 3]


def test_changes_say_whether_there_was_a_customer(customers: Customers) -> None:
    assert customers.set_email(2, "new@okonjo.example")
    assert customers.delete(3)

    changed = customers.get(2)
    assert changed is not None
    assert changed.email == "new@okonjo.example"
    assert customers.get(3) is None
    assert not customers.set_email(3, "x@y.example")
    assert not customers.delete(3)
