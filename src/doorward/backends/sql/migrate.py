"""Brings a database to the newest revision. Kept apart because Alembic takes 0.3 s to import."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from doorward.model.errors import GatewayError
from doorward.model.reasons import Reason


def upgrade(connection: Connection) -> None:
    """To the newest revision, within the caller's transaction.

    Raises GatewayError(STORE_UNAVAILABLE) for a database that a newer Doorward made, and SQLAlchemyError.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        message = f"the database was not made by this version of Doorward: {error}"
        raise GatewayError(Reason.STORE_UNAVAILABLE, message) from error
