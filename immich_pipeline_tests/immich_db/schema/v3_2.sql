-- From 3.1.0 to 3.2: faces of several users are clustered together.

CREATE TABLE cluster_group (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  name varchar,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON cluster_group ("updateId");

ALTER TABLE "user"
  ALTER COLUMN password DROP NOT NULL,
  ALTER COLUMN password DROP DEFAULT,
  ADD COLUMN "clusterGroupId" uuid NOT NULL REFERENCES cluster_group ON UPDATE CASCADE;
CREATE INDEX ON "user" ("clusterGroupId");

CREATE TABLE cluster_group_request (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "clusterGroupId" uuid NOT NULL REFERENCES cluster_group ON UPDATE CASCADE ON DELETE CASCADE,
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "cluster_group_request_clusterGroupId_userId_uq" UNIQUE ("clusterGroupId", "userId")
);
CREATE INDEX ON cluster_group_request ("clusterGroupId");
CREATE INDEX ON cluster_group_request ("userId");

CREATE TABLE person_group (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "clusterGroupId" uuid NOT NULL REFERENCES cluster_group ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "createId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON person_group ("clusterGroupId");
CREATE INDEX ON person_group ("createId");
CREATE INDEX ON person_group ("updateId");

-- a face belongs to a group; each user who knows the group has a person of their own for it
ALTER TABLE asset_face
  DROP COLUMN "personId",
  ADD COLUMN "personGroupId" uuid REFERENCES person_group ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX ON asset_face ("assetId", "personGroupId");
CREATE INDEX ON asset_face ("personGroupId", "assetId");
CREATE INDEX "asset_face_personGroupId_assetId_notDeleted_isVisible_idx" ON asset_face ("personGroupId", "assetId")
  WHERE "deletedAt" IS NULL AND "isVisible" IS TRUE;

ALTER TABLE person
  DROP COLUMN id,
  ADD COLUMN "personGroupId" uuid NOT NULL REFERENCES person_group ON UPDATE CASCADE ON DELETE CASCADE,
  ADD PRIMARY KEY ("ownerId", "personGroupId");
DROP INDEX "person_ownerId_idx";
CREATE INDEX ON person ("personGroupId");

ALTER TABLE album ALTER COLUMN description DROP NOT NULL, ALTER COLUMN description DROP DEFAULT;
ALTER TABLE asset_ocr ADD COLUMN "updatedAt" timestamptz NOT NULL DEFAULT now();

-- an album that has no owner left is deleted
CREATE FUNCTION album_user_delete() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  DELETE FROM album WHERE id = OLD."albumId" AND id NOT IN (SELECT "albumId" FROM album_user WHERE role = 'owner');
  RETURN NULL;
END
$$;
CREATE TRIGGER album_user_delete AFTER DELETE ON album_user REFERENCING OLD TABLE AS old
  FOR EACH ROW EXECUTE FUNCTION album_user_delete();
