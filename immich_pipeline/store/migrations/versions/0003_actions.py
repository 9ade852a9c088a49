"""Plans, their actions and the journal of what was done; and what a person chose about captures."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    "CREATE SCHEMA actions",
    """CREATE TABLE actions.plan (
        plan_id text PRIMARY KEY,
        kind text NOT NULL,
        mode text NOT NULL CHECK (mode IN ('plan', 'approve', 'auto')),
        policy_hash text NOT NULL,
        input_fingerprint text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actions integer NOT NULL,
        summary jsonb NOT NULL,
        status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'applied', 'partly', 'superseded', 'stopped', 'undone')),
        stopped_because text)""",
    "CREATE INDEX plan_kind ON actions.plan (kind, created_at)",
    """CREATE TABLE actions.plan_action (
        plan_id text NOT NULL REFERENCES actions.plan,
        action_id text NOT NULL,
        position integer NOT NULL,
        operation text NOT NULL,
        owner_id text NOT NULL,
        subjects jsonb NOT NULL,
        payload jsonb NOT NULL,
        preconditions jsonb NOT NULL,
        reason text NOT NULL,
        review text NOT NULL DEFAULT 'open' CHECK (review IN ('open', 'approved', 'rejected')),
        reviewed_by text,
        reviewed_at timestamptz,
        PRIMARY KEY (plan_id, action_id),
        UNIQUE (plan_id, position))""",
    "CREATE INDEX plan_action_reviewed ON actions.plan_action (action_id) WHERE review <> 'open'",
    """CREATE TABLE actions.journal (
        entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        run_id text NOT NULL,
        plan_id text NOT NULL,
        action_id text NOT NULL,
        event text NOT NULL CHECK (event IN
            ('begun', 'done', 'failed', 'skipped', 'undo_begun', 'undone', 'undo_refused', 'undo_failed')),
        before jsonb,
        after jsonb,
        made jsonb,
        detail text,
        FOREIGN KEY (plan_id, action_id) REFERENCES actions.plan_action)""",
    "CREATE INDEX journal_action ON actions.journal (plan_id, action_id, entry)",
    "CREATE INDEX journal_run ON actions.journal (run_id)",
    # -- what was planned and what was done stay as they were written
    """CREATE FUNCTION actions.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% of %.%: what is written there stays', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME; END $$""",
    """CREATE FUNCTION actions.refuse_change_of_content() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF to_jsonb(NEW) - TG_ARGV IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV THEN
                RAISE EXCEPTION 'a plan stays as it was made: only % may change in %.%', TG_ARGV, TG_TABLE_SCHEMA, TG_TABLE_NAME;
            END IF;
            RETURN NEW;
        END $$""",
    """CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON actions.journal
        FOR EACH STATEMENT EXECUTE FUNCTION actions.refuse_change()""",
    """CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON actions.plan FOR EACH STATEMENT EXECUTE FUNCTION actions.refuse_change()""",
    """CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON actions.plan_action
        FOR EACH STATEMENT EXECUTE FUNCTION actions.refuse_change()""",
    """CREATE TRIGGER immutable BEFORE UPDATE ON actions.plan
        FOR EACH ROW EXECUTE FUNCTION actions.refuse_change_of_content('status', 'stopped_because')""",
    """CREATE TRIGGER immutable BEFORE UPDATE ON actions.plan_action
        FOR EACH ROW EXECUTE FUNCTION actions.refuse_change_of_content('review', 'reviewed_by', 'reviewed_at')""",
    # -- what a person said about which files belong together: survives every run
    """CREATE TABLE captures.constraint_choice (
        choice_id text PRIMARY KEY,
        owner text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('set_primary', 'not_together', 'together')),
        asset_ids uuid[] NOT NULL,
        made_by text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        source text NOT NULL CHECK (source IN ('person', 'suggestion')),
        active boolean NOT NULL)""",
)


def upgrade() -> None:
    """Forward only: there is no way down."""
    for statement in _STATEMENTS:
        op.execute(statement)
