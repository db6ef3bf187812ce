"""The CRM's data: invented people in one SQLite table. All names are made up; the domains are RFC 2606's."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from pydantic import BaseModel

PEOPLE: Final = (
    ("Ada Quill", "Quill Bindery", "ada@quill.example", 4_200),
    ("Bashir Okonjo", "Okonjo Freight", "bashir@okonjo.example", 18_750),
    ("Carmen Vidal", "Vidal Olives", "carmen@vidal.example", 960),
    ("Dmitri Hale", "Hale Clockworks", "dmitri@hale.example", 7_310),
    ("Esi Mensah", "Mensah Solar", "esi@mensah.example", 25_000),
    ("Finn Aaltonen", "Aaltonen Saunas", "finn@aaltonen.example", 3_080),
    ("Grace Imai", "Imai Ceramics", "grace@imai.example", 12_400),
    ("Hugo Lindqvist", "Lindqvist Maps", "hugo@lindqvist.example", 640),
)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS customer (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    company TEXT NOT NULL,
    email TEXT NOT NULL,
    revenue INTEGER NOT NULL
)
"""


class Customer(BaseModel):
    """One row. `revenue` is in euros a year."""

    id: int
    name: str
    company: str
    email: str
    revenue: int


class Customers:
    """Queries over one database file. Each opens its own connection: calls run on worker threads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seed(self) -> None:
        """Creates the table and fills it, once."""
        with closing(self._connect()) as db, db:
            db.execute(_SCHEMA)
            if db.execute("SELECT count(*) FROM customer").fetchone()[0] == 0:
                db.executemany(
                    "INSERT INTO customer (name, company, email, revenue) VALUES (?, ?, ?, ?)", PEOPLE
                )

    def find(self, text: str, limit: int) -> Sequence[Customer]:
        """Customers whose name, company or email contains `text`, whatever its case."""
        return self._select(
            "WHERE instr(lower(name || char(10) || company || char(10) || email), lower(?))"
            " ORDER BY id LIMIT ?",
            (text, limit),
        )

    def get(self, customer_id: int) -> Customer | None:
        """The customer with this id."""
        found = self._select("WHERE id = ?", (customer_id,))
        return found[0] if found else None

    def set_email(self, customer_id: int, email: str) -> bool:
        """False when there is no such customer."""
        return self._change("UPDATE customer SET email = ? WHERE id = ?", (email, customer_id))

    def delete(self, customer_id: int) -> bool:
        """False when there is no such customer."""
        return self._change("DELETE FROM customer WHERE id = ?", (customer_id,))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path)

    def _select(self, where: str, values: tuple[str | int, ...]) -> Sequence[Customer]:
        with closing(self._connect()) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute(f"SELECT id, name, company, email, revenue FROM customer {where}", values)  # noqa: S608 - `where` is one of the constants above
            return [Customer.model_validate(dict(row)) for row in rows]

    def _change(self, statement: str, values: tuple[str | int, ...]) -> bool:
        with closing(self._connect()) as db, db:
            return db.execute(statement, values).rowcount == 1
