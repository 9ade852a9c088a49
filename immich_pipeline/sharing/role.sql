-- The role that shares, with the fewest rights that it can do with. Run it as the owner of Immich's database, in that database; run it
-- again after each upgrade of Immich: a table that is not there is left out, and nothing is taken away.
--
-- Of people's accounts it sees who they are, never their passwords. It may create nothing in Immich's schema, drop nothing, and change no
-- table's definition. What it knows itself lies in a schema of its own.

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
    CREATE ROLE {role} LOGIN PASSWORD 'choose one';
  END IF;
END $$;

DO $$ BEGIN EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), {name}); END $$;
GRANT USAGE ON SCHEMA public TO {role};
GRANT EXECUTE ON FUNCTION pg_control_system() TO {role};
CREATE SCHEMA IF NOT EXISTS immich_pipeline_sharing;
GRANT USAGE, CREATE ON SCHEMA immich_pipeline_sharing TO {role};

DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT name, rights FROM (VALUES
      -- what a copy is made of
      ('asset', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_audio', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_edit', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_exif', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_file', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_job_status', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_keyframe', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_ocr', 'SELECT, INSERT, UPDATE, DELETE'),
      ('asset_video', 'SELECT, INSERT, UPDATE, DELETE'),
      ('ocr_search', 'SELECT, INSERT, UPDATE, DELETE'),
      ('smart_search', 'SELECT, INSERT, UPDATE, DELETE'),
      -- people
      ('asset_face', 'SELECT, INSERT, UPDATE, DELETE'),
      ('face_search', 'SELECT, INSERT, UPDATE, DELETE'),
      ('person', 'SELECT, INSERT, UPDATE, DELETE'),
      ('person_group', 'SELECT'),
      ('cluster_group', 'SELECT'),
      -- what copies are in
      ('stack', 'SELECT, INSERT, UPDATE, DELETE'),
      ('tag', 'SELECT, INSERT, UPDATE, DELETE'),
      ('tag_closure', 'SELECT, INSERT, DELETE'),
      ('tag_asset', 'SELECT, INSERT, DELETE'),
      ('album', 'SELECT, UPDATE'),
      ('album_asset', 'SELECT, INSERT, UPDATE, DELETE'),
      ('album_user', 'SELECT'),
      -- what is only looked at
      ('library', 'SELECT'),
      ('version_history', 'SELECT'),
      -- the tables of a program that shared before, to adopt what it copied
      ('_face_sync_asset_map', 'SELECT'),
      ('_face_sync_meta', 'SELECT'),
      ('_face_sync_person_map', 'SELECT'),
      ('_face_sync_skipped', 'SELECT')
    ) AS known (name, rights)
    UNION
    -- Immich's own triggers note there what was deleted, with the rights of whoever deletes
    SELECT relname, 'INSERT' FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname LIKE '%\_audit'
    UNION
    -- what else hangs on an asset goes with a copy that is removed: it is noted before, so that undo can bring it back
    SELECT c.relname, 'SELECT, INSERT' FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid
    WHERE f.contype = 'f' AND f.confdeltype = 'c' AND f.confrelid = 'public.asset'::regclass
      AND c.relnamespace = 'public'::regnamespace
  LOOP
    IF to_regclass(format('public.%I', wanted.name)) IS NOT NULL THEN
      EXECUTE format('GRANT %s ON public.%I TO %I', wanted.rights, wanted.name, {name});
    END IF;
  END LOOP;
  FOR wanted IN
    SELECT attname AS name FROM pg_attribute
    WHERE attrelid = 'public."user"'::regclass AND NOT attisdropped
      AND attname IN ('id', 'email', 'name', 'storageLabel', 'isAdmin', 'createdAt', 'deletedAt', 'clusterGroupId')
  LOOP
    EXECUTE format('GRANT SELECT (%I) ON public."user" TO %I', wanted.name, {name});
  END LOOP;
END $$;
