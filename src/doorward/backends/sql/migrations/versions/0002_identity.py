"""What a key leaves of its agent's authority, operators, blocks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD = "id, name, agent, environment, digest, pepper_version, created_at, created_by, expires_at, revoked_at"


def upgrade() -> None:
    """Keys of before keep working: they narrow nothing and have no creator whose limits would hold for them.

    Made anew and copied, as adding columns one by one would leave another table than a fresh one.
    """
    op.drop_index("keys_by_age", "keys")
    op.rename_table("keys", "keys_0001")
    _keys()
    copy = f"INSERT INTO keys ({_OLD}, read_only, revision) SELECT {_OLD}, 0, 0 FROM keys_0001"  # noqa: S608
    op.execute(sa.text(copy))
    op.drop_table("keys_0001")
    op.create_index("keys_by_age", "keys", ["created_at", "id"])
    _operators()
    _blocks()


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("environment", sa.String(4), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("pepper_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("revoked_at", sa.Float),
        sa.Column("creator_id", sa.String(15)),
        sa.Column("servers", sa.Text),
        sa.Column("tools", sa.Text),
        sa.Column("read_only", sa.Boolean, nullable=False),
        sa.Column("rate", sa.String(32)),
        sa.Column("networks", sa.Text),
        sa.Column("previous", sa.Text),
        sa.Column("last_used_at", sa.Float),
        sa.Column("revision", sa.Integer, nullable=False),
    )


def _operators() -> None:
    op.create_table(
        "operators",
        sa.Column("id", sa.String(15), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("pepper_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.Column("agents", sa.Text),
        sa.Column("servers", sa.Text),
        sa.Column("expires_at", sa.Float),
        sa.Column("removed_at", sa.Float),
        sa.Column("last_used_at", sa.Float),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("operators_by_age", "operators", ["created_at", "id"])
    live = sa.text("removed_at IS NULL")
    op.create_index("operators_by_name", "operators", ["name"], unique=True, sqlite_where=live)


def _blocks() -> None:
    op.create_table(
        "blocks",
        sa.Column("id", sa.String(15), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.String(2048), nullable=False),
        sa.Column("reason", sa.String(1024), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String(256), nullable=False),
        sa.Column("issuer", sa.String(2048)),
        sa.Column("expires_at", sa.Float),
        sa.Column("lifted_at", sa.Float),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_index("blocks_by_age", "blocks", ["created_at", "id"])


def downgrade() -> None:
    """Drops operators, blocks and whatever keys have gained: refused by `migrate`, which never goes back."""
    op.drop_table("blocks")
    op.drop_table("operators")
    with op.batch_alter_table("keys") as keys:
        for name in (
            "creator_id", "servers", "tools", "read_only", "rate", "networks", "previous", "last_used_at",
            "revision",
        ):  # fmt: skip
            keys.drop_column(name)
