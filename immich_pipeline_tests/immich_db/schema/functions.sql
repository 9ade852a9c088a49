-- What Immich takes from extensions that the embedded server lacks, and the functions that columns and triggers refer to.

CREATE EXTENSION vector;

CREATE FUNCTION uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT gen_random_uuid() $$;

-- 48 bits of milliseconds, the version, and the random rest of a version 4 uuid: ordered by time, without order within a millisecond.
CREATE FUNCTION immich_uuid_v7(moment timestamptz DEFAULT clock_timestamp()) RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7'
          || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid
$$;

CREATE FUNCTION updated_at() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
  moment CONSTANT timestamptz := clock_timestamp();
BEGIN
  NEW."updatedAt" := moment;
  NEW."updateId" := immich_uuid_v7(moment);
  RETURN NEW;
END
$$;
