"""Alembic's entry: runs the migrations on the connection that `store.migrate` hands over."""

from alembic import context

from immich_pipeline.store.migrate import VERSION_SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema=VERSION_SCHEMA,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
