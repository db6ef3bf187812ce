"""Alembic's entry: runs on the connection, and inside the transaction, that `migrate.py` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
