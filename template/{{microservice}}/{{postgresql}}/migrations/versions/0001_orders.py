"""Create the tables of orders, of what they sold, and of the messages that were handled."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("article", sa.String(length=50), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("total_cents", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_table(
        "sales",
        sa.Column("article", sa.String(length=50), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("article", name=op.f("pk_sales")),
    )
    op.create_table(
        "handled_messages",
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handled_messages")),
    )
    op.create_index(op.f("ix_handled_messages_handled_at"), "handled_messages", ["handled_at"])


def downgrade() -> None:
    op.drop_table("handled_messages")
    op.drop_table("sales")
    op.drop_table("orders")
