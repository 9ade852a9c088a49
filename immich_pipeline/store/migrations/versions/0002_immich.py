"""Immich as a source: what its server says of each asset, where each file can be read here, how each reading went."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # -- flags of the server; a folder's files are all on the timeline
    "ALTER TABLE library.asset ADD COLUMN visibility text NOT NULL DEFAULT 'timeline'",
    "ALTER TABLE library.asset ADD COLUMN is_trashed boolean NOT NULL DEFAULT false",
    "ALTER TABLE library.asset ADD COLUMN is_offline boolean NOT NULL DEFAULT false",
    # -- a server may hold two assets of one path (two owners with one external folder); its rows have the device -1
    "ALTER TABLE library.asset DROP CONSTRAINT one_asset_per_path",
    """ALTER TABLE library.asset ADD CONSTRAINT one_asset_per_path EXCLUDE USING btree (source_id WITH =, real_path WITH =)
        WHERE (gone_at IS NULL AND device <> -1) DEFERRABLE INITIALLY DEFERRED""",
    # -- a folder's file that a server's asset is made of: one asset, the server's
    "ALTER TABLE library.asset ADD COLUMN same_as uuid REFERENCES library.asset ON DELETE SET NULL",
    "CREATE INDEX asset_same_as ON library.asset (same_as) WHERE same_as IS NOT NULL",
    """CREATE TABLE library.immich_record (
        asset_id uuid PRIMARY KEY REFERENCES library.asset ON DELETE CASCADE,
        owner_id uuid NOT NULL,
        library_id uuid,
        type text NOT NULL,
        original_path text NOT NULL,
        original_name text NOT NULL,
        checksum bytea NOT NULL,
        checksum_algorithm text NOT NULL,
        size bigint,
        file_created_at timestamptz NOT NULL,
        file_modified_at timestamptz NOT NULL,
        local_date_time timestamp NOT NULL,
        updated_at timestamptz NOT NULL,
        width integer,
        height integer,
        duration_ms bigint,
        thumbhash bytea,
        visibility text NOT NULL,
        is_favorite boolean NOT NULL,
        is_trashed boolean NOT NULL,
        is_offline boolean NOT NULL,
        is_edited boolean NOT NULL,
        live_video_id uuid,
        stack_id uuid,
        stack_primary_id uuid,
        duplicate_id uuid,
        make text,
        model text,
        lens text,
        taken_at timestamptz,
        time_zone text,
        latitude double precision,
        longitude double precision,
        orientation text,
        description text,
        rating integer,
        city text,
        state text,
        country text)""",
    """CREATE TABLE library.immich_extra (
        asset_id uuid PRIMARY KEY REFERENCES library.asset ON DELETE CASCADE,
        auto_stack_id text,
        live_photo_cid text)""",
    """CREATE TABLE library.immich_album (
        asset_id uuid NOT NULL REFERENCES library.asset ON DELETE CASCADE,
        album_id uuid NOT NULL,
        album_name text NOT NULL,
        PRIMARY KEY (asset_id, album_id))""",
    # -- where the file of a server's asset is mounted here; none: it is not
    """CREATE TABLE library.mounted_file (
        asset_id uuid PRIMARY KEY REFERENCES library.asset ON DELETE CASCADE,
        root bytea NOT NULL,
        real_path bytea NOT NULL)""",
    "CREATE INDEX mounted_file_path ON library.mounted_file ((root || '\\x2f'::bytea || real_path))",
    # -- how the last reading of each part of a source went; the cursor is written with the rows that it stands for
    """CREATE TABLE library.reading (
        source_id uuid NOT NULL REFERENCES library.source,
        scope text NOT NULL,
        owner text NOT NULL,
        by text NOT NULL,
        cursor text,
        server_assets bigint,
        stored_assets bigint,
        full_at timestamptz,
        read_at timestamptz,
        problem text,
        problem_at timestamptz,
        PRIMARY KEY (source_id, scope))""",
    # -- SHA-1 beside SHA-256: the server's uploads have no other, so files that may equal them need it as well
    "ALTER TABLE content.file_hash ADD COLUMN sha1 bytea",
    "CREATE INDEX file_hash_sha1 ON content.file_hash (sha1)",
    # -- brackets, focus stacks, panoramas: alike on purpose, whatever capture group they are in
    """CREATE TABLE captures.kept_whole (
        set_id text NOT NULL,
        asset_id uuid NOT NULL,
        kind text NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (set_id, asset_id))""",
    "DROP VIEW library.live_asset",
    # -- what is looked after: not what is gone, in the trash, missing on the server's disk, locked, or there as a server's asset
    """CREATE VIEW library.live_asset AS
        SELECT a.* FROM library.asset a JOIN library.source s USING (source_id)
        WHERE s.active AND a.gone_at IS NULL AND NOT a.is_trashed AND NOT a.is_offline AND a.visibility <> 'locked'
          AND a.same_as IS NULL""",
    # -- where the original of each asset can be read here; root is null where it cannot
    """CREATE VIEW library.asset_file AS
        SELECT a.asset_id, s.kind AS source_kind,
               CASE WHEN s.kind = 'immich' THEN f.root ELSE s.root END AS root,
               CASE WHEN s.kind = 'immich' THEN f.real_path ELSE a.real_path END AS real_path
        FROM library.asset a JOIN library.source s USING (source_id) LEFT JOIN library.mounted_file f USING (asset_id)""",
)


def upgrade() -> None:
    """Forward only: there is no way down."""
    for statement in _STATEMENTS:
        op.execute(statement)
