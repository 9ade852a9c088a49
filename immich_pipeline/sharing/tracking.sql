-- What this program knows of the copies that it made. It lies in Immich's database, in a schema of its own, so that a mapping and the rows
-- that it is about are committed together. Nothing refers to Immich's tables: what Immich deletes is simply gone, and seen at the next cycle.

-- a role that may not create schemas may use one that was made for it
DO $$ BEGIN
  IF to_regnamespace('immich_pipeline_sharing') IS NULL THEN CREATE SCHEMA immich_pipeline_sharing; END IF;
END $$;

-- One pass over one job.
CREATE TABLE immich_pipeline_sharing.run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job text NOT NULL,
  label text NOT NULL DEFAULT '',                    -- what the pipeline's journal calls the run
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  undone_at timestamptz,
  counts jsonb NOT NULL DEFAULT '{}'
);

-- Which asset is a copy of which. live: made. removing: files may be gone, rows are still there. trashed: in the target's trash because the source is. kept: the source is gone, the copy stays as it is.
-- declined: the target's owner put it into the trash. refused: they deleted it for good, it is not made again.
CREATE TABLE immich_pipeline_sharing.copy (
  target_id uuid PRIMARY KEY,
  source_id uuid NOT NULL,
  source_owner uuid NOT NULL,
  target_owner uuid NOT NULL,
  job text NOT NULL,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run,
  state text NOT NULL CHECK (state IN ('live', 'removing', 'trashed', 'kept', 'declined', 'refused')),
  made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  adopted boolean NOT NULL DEFAULT false,            -- the asset was there before we knew of it (same owner, library and path)
  locked text[],                                     -- lockedProperties as last written: more of them are the target's own; null: not noted
  stack uuid,                                        -- the target's stack that it was put into
  CONSTRAINT copy_once UNIQUE (source_id, target_owner)
);

-- Files that a run is about to make, or has made for rows that are not committed yet; committed before the first of them is made. What is
-- still here when the next run begins is removed, unless a row of Immich's names it.
CREATE TABLE immich_pipeline_sharing.file (
  path text NOT NULL,                                -- without an index: there are few at a time, and they do not stay
  run bigint NOT NULL
);

-- Which face is a copy of which, and whose it was when that was last carried over: of the source, and as written into the copy.
CREATE TABLE immich_pipeline_sharing.face (
  target_id uuid PRIMARY KEY,
  source_id uuid NOT NULL,
  target_asset uuid NOT NULL,
  source_person uuid,
  target_person uuid
);
CREATE INDEX ON immich_pipeline_sharing.face (source_id);
CREATE INDEX ON immich_pipeline_sharing.face (target_asset);

-- Which person (from 3.2 on: person group) of the source is which of the target. made: the target's row is ours. name: as we last wrote it.
CREATE TABLE immich_pipeline_sharing.person (
  source_id uuid NOT NULL,
  target_owner uuid NOT NULL,
  target_id uuid NOT NULL,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run,
  made boolean NOT NULL,
  name text,
  PRIMARY KEY (source_id, target_owner)
);
CREATE INDEX ON immich_pipeline_sharing.person (target_owner, target_id);

CREATE TABLE immich_pipeline_sharing.stack (
  target_id uuid PRIMARY KEY,
  source_id uuid NOT NULL,
  source_primary uuid NOT NULL,                      -- as last carried over: another one is followed, the target's own choice is not
  target_owner uuid NOT NULL,
  job text NOT NULL,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run,
  CONSTRAINT stack_once UNIQUE (source_id, target_owner)
);

-- Tags that we made for a target, and which copies we tagged.
CREATE TABLE immich_pipeline_sharing.tag (
  target_id uuid PRIMARY KEY,
  target_owner uuid NOT NULL,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run
);
CREATE TABLE immich_pipeline_sharing.tagging (
  tag_id uuid NOT NULL,
  asset_id uuid NOT NULL,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run,
  PRIMARY KEY (tag_id, asset_id)
);

-- Which assets we put into which album. One that is no longer there was taken out by a person and is not put in again.
CREATE TABLE immich_pipeline_sharing.album_entry (
  album_id uuid NOT NULL,
  asset_id uuid NOT NULL,
  job text NOT NULL,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run,
  PRIMARY KEY (album_id, asset_id)
);

-- What was not copied, and why; forgotten when the reason is gone.
CREATE TABLE immich_pipeline_sharing.skip (
  source_id uuid NOT NULL,
  target_owner uuid NOT NULL,
  job text NOT NULL,
  reason text NOT NULL,                              -- owned_content, owned_name, failed
  blocking_asset uuid,                               -- the target's own asset that stands in the way
  detail text NOT NULL DEFAULT '',
  tries integer NOT NULL DEFAULT 1,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  retry_at timestamptz,
  PRIMARY KEY (source_id, target_owner)
);

-- Copies that could not be followed in full, and why; looked at again in each cycle.
CREATE TABLE immich_pipeline_sharing.unfollowed (
  target_id uuid NOT NULL,
  job text NOT NULL,
  reason text NOT NULL,                              -- path_taken, file_missing, back
  detail text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (target_id, reason)
);

-- Rows of Immich's that were there before and that a run changed or deleted, as they were: what undo puts back. Rows that a run inserted
-- are known by the tables above.
CREATE TABLE immich_pipeline_sharing.journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run bigint NOT NULL REFERENCES immich_pipeline_sharing.run,
  table_name text NOT NULL,
  operation text NOT NULL CHECK (operation IN ('insert', 'update', 'delete')),
  target_asset uuid,
  key jsonb NOT NULL,
  before jsonb,
  after jsonb,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON immich_pipeline_sharing.journal (run);
CREATE INDEX ON immich_pipeline_sharing.journal (target_asset);

-- How far each table was read for a job. seen is a snapshot of the database: what it could not see yet is new, however late it was committed.
CREATE TABLE immich_pipeline_sharing.watermark (
  job text NOT NULL,
  subject text NOT NULL,
  seen pg_snapshot NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  settings text NOT NULL DEFAULT '',                 -- of the job, as far as they say what is carried over: others need a look at all
  cluster text NOT NULL,                             -- snapshots of another cluster (a restored dump) mean nothing: all is compared
  deletions jsonb,                                   -- table to how many rows were deleted, and since when that is counted
  PRIMARY KEY (job, subject)
);
