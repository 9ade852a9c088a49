"""Duplicates: what pictures look like beside each other, what is decided together, what a person said, what was backed up."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    # -- a pair of Immich's own groups may have no usable hash
    "ALTER TABLE duplicates.candidate ALTER COLUMN distance DROP NOT NULL",
    "ALTER TABLE duplicates.verified_pair ALTER COLUMN distance DROP NOT NULL",
    "ALTER TABLE duplicates.verified_pair ADD COLUMN correlation real",
    "ALTER TABLE duplicates.verified_pair ADD COLUMN colour real",
    # -- what was seen of two contents stays true as long as the code that looked does
    """CREATE TABLE duplicates.look (
        left_content bytea NOT NULL,
        right_content bytea NOT NULL,
        code_version text NOT NULL,
        correlation real,
        colour real,
        same_pixels boolean,
        problem text,
        PRIMARY KEY (left_content, right_content))""",
    # -- "not a duplicate" is said of contents, pair by pair, and holds whatever the assets are called later
    """CREATE TABLE duplicates.dismissed (
        left_content bytea NOT NULL,
        right_content bytea NOT NULL,
        made_by text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        active boolean NOT NULL DEFAULT true,
        PRIMARY KEY (left_content, right_content),
        CHECK (left_content < right_content))""",
    # -- a person's word on a set, known by the contents in it; which of several equal files to keep, by its id
    """CREATE TABLE duplicates.verdict (
        contents_key text PRIMARY KEY,
        contents bytea[] NOT NULL CHECK (cardinality(contents) > 0),
        verdict text NOT NULL CHECK (verdict IN ('accepted', 'rejected')),
        keeper_content bytea,
        keeper_asset uuid,
        made_by text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        active boolean NOT NULL DEFAULT true)""",
    # -- a second opinion on the members of a group
    """CREATE TABLE duplicates.opinion (
        group_id text NOT NULL,
        asset_id uuid NOT NULL,
        immich_agrees boolean,
        clip_distance real,
        PRIMARY KEY (group_id, asset_id))""",
    # -- copies that two owners have: told, never acted on
    """CREATE TABLE duplicates.cross_owner (
        left_id uuid NOT NULL,
        right_id uuid NOT NULL,
        left_owner text NOT NULL,
        right_owner text NOT NULL,
        PRIMARY KEY (left_id, right_id))""",
    """CREATE TABLE duplicates.set_member (
        set_id text NOT NULL,
        owner text NOT NULL,
        unit_id text NOT NULL,
        asset_id uuid NOT NULL,
        group_id text,
        class text NOT NULL,
        confidence double precision NOT NULL,
        diameter smallint NOT NULL,
        role text,
        PRIMARY KEY (set_id, asset_id))""",
    """CREATE TABLE duplicates.decision (
        set_id text PRIMARY KEY,
        owner text NOT NULL,
        class text NOT NULL,
        confidence double precision NOT NULL,
        verdict text NOT NULL,
        keeper_unit text NOT NULL,
        keeper_id uuid NOT NULL,
        decided_by text NOT NULL,
        conflicts text[] NOT NULL,
        becomes text NOT NULL,
        files integer NOT NULL,
        reclaimable_bytes bigint NOT NULL,
        immich_keeps uuid,
        immich_loses text[] NOT NULL,
        steps text NOT NULL,
        policy_hash text NOT NULL)""",
    """CREATE TABLE duplicates.decision_member (
        set_id text NOT NULL REFERENCES duplicates.decision ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        unit_id text NOT NULL,
        asset_id uuid NOT NULL,
        role text NOT NULL,
        score integer NOT NULL,
        obstacle text,
        PRIMARY KEY (set_id, asset_id))""",
    # -- tags, people, links of the assets that decisions are about: the search does not tell them
    """CREATE TABLE library.immich_detail (
        asset_id uuid PRIMARY KEY REFERENCES library.asset ON DELETE CASCADE,
        updated_at timestamptz NOT NULL,
        read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        detail jsonb NOT NULL)""",
    # -- the verified copies of what was put into the trash
    """CREATE TABLE actions.backup (
        asset_id uuid NOT NULL,
        sha256 bytea NOT NULL,
        owner_id text NOT NULL,
        path text NOT NULL,
        bytes bigint NOT NULL,
        plan_id text NOT NULL,
        verified_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (asset_id, sha256))""",
)


def upgrade() -> None:
    """Forward only: there is no way down."""
    for statement in _STATEMENTS:
        op.execute(statement)
