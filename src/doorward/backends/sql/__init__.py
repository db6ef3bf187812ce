"""Ports kept in a relational database. The only package that imports SQLAlchemy and Alembic."""
