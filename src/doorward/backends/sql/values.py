"""Values of records that take more than one column type: kept as JSON text, absent as NULL."""

from typing import Any

import msgspec
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator


class AsJson(TypeDecorator[Any]):
    """A value of one type that msgspec knows. Reading raises msgspec.ValidationError for what is none."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str | None:
        """On its way into the database."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        """On its way out of it."""
        return None if value is None else msgspec.json.decode(value, type=self.kind)
