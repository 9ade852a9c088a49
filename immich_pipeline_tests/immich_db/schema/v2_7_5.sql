-- Immich 2.7.5: the tables that reading and sharing need. Constraints and indexes without a name get PostgreSQL's own, which is Immich's.

CREATE TYPE asset_checksum_algorithm_enum AS ENUM ('sha1', 'sha1-path');
CREATE TYPE asset_visibility_enum AS ENUM ('archive', 'timeline', 'hidden', 'locked');
CREATE TYPE assets_status_enum AS ENUM ('active', 'trashed', 'deleted');
CREATE TYPE sourcetype AS ENUM ('machine-learning', 'exif', 'manual');

-- Server -------------------------------------------------------------------------------------------------------------

CREATE TABLE system_metadata (key varchar PRIMARY KEY, value jsonb NOT NULL);

CREATE TABLE version_history (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  version varchar NOT NULL
);

-- Users --------------------------------------------------------------------------------------------------------------

CREATE TABLE "user" (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  email varchar NOT NULL CONSTRAINT user_email_uq UNIQUE,
  name varchar NOT NULL DEFAULT '',
  password varchar NOT NULL DEFAULT '',
  "pinCode" varchar,
  "oauthId" varchar NOT NULL DEFAULT '',
  "isAdmin" boolean NOT NULL DEFAULT false,
  "shouldChangePassword" boolean NOT NULL DEFAULT true,
  status varchar NOT NULL DEFAULT 'active',
  "storageLabel" varchar CONSTRAINT "user_storageLabel_uq" UNIQUE,
  "avatarColor" varchar,
  "profileImagePath" varchar NOT NULL DEFAULT '',
  "profileChangedAt" timestamptz NOT NULL DEFAULT now(),
  "quotaSizeInBytes" bigint,
  "quotaUsageInBytes" bigint NOT NULL DEFAULT 0,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "deletedAt" timestamptz
);
CREATE INDEX ON "user" ("updatedAt", id);
CREATE INDEX ON "user" ("updateId");

CREATE TABLE api_key (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  name varchar NOT NULL,
  key bytea NOT NULL,
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  permissions varchar[] NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON api_key (key);
CREATE INDEX ON api_key ("userId");
CREATE INDEX ON api_key ("updateId");

CREATE TABLE partner (
  "sharedById" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "sharedWithId" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "inTimeline" boolean NOT NULL DEFAULT false,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "createId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("sharedById", "sharedWithId")
);
CREATE INDEX ON partner ("sharedWithId");
CREATE INDEX ON partner ("createId");
CREATE INDEX ON partner ("updateId");

CREATE TABLE library (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  name varchar NOT NULL,
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "importPaths" text[] NOT NULL,
  "exclusionPatterns" text[] NOT NULL,
  "refreshedAt" timestamptz,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "deletedAt" timestamptz
);
CREATE INDEX ON library ("ownerId");
CREATE INDEX ON library ("updateId");

-- Assets -------------------------------------------------------------------------------------------------------------

CREATE TABLE asset (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "libraryId" uuid REFERENCES library ON UPDATE CASCADE ON DELETE CASCADE,
  "deviceAssetId" varchar NOT NULL,
  "deviceId" varchar NOT NULL,
  type varchar NOT NULL,
  "originalPath" varchar NOT NULL,
  "originalFileName" varchar NOT NULL,
  checksum bytea NOT NULL,
  "checksumAlgorithm" asset_checksum_algorithm_enum NOT NULL,
  "fileCreatedAt" timestamptz NOT NULL,
  "fileModifiedAt" timestamptz NOT NULL,
  "localDateTime" timestamptz NOT NULL,
  duration varchar,
  width integer,
  height integer,
  thumbhash bytea,
  "isFavorite" boolean NOT NULL DEFAULT false,
  "isExternal" boolean NOT NULL DEFAULT false,
  "isOffline" boolean NOT NULL DEFAULT false,
  "isEdited" boolean NOT NULL DEFAULT false,
  visibility asset_visibility_enum NOT NULL DEFAULT 'timeline',
  status assets_status_enum NOT NULL DEFAULT 'active',
  "livePhotoVideoId" uuid REFERENCES asset ON UPDATE CASCADE ON DELETE SET NULL,
  "stackId" uuid,
  "duplicateId" uuid,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "deletedAt" timestamptz
);
-- the same bytes cannot be uploaded twice; in a library the same path cannot be twice
CREATE UNIQUE INDEX "UQ_assets_owner_checksum" ON asset ("ownerId", checksum) WHERE "libraryId" IS NULL;
CREATE UNIQUE INDEX ON asset ("ownerId", "libraryId", checksum) WHERE "libraryId" IS NOT NULL;
CREATE INDEX ON asset (checksum);
CREATE INDEX ON asset ("duplicateId");
CREATE INDEX ON asset ("fileCreatedAt");
CREATE INDEX ON asset (id, "stackId");
CREATE INDEX "asset_id_timeline_notDeleted_idx" ON asset (id) WHERE visibility = 'timeline' AND "deletedAt" IS NULL;
CREATE INDEX ON asset ("libraryId");
CREATE INDEX ON asset ("livePhotoVideoId");
CREATE INDEX "asset_localDateTime_idx" ON asset ((("localDateTime" AT TIME ZONE 'UTC')::date));
CREATE INDEX "asset_localDateTime_month_idx" ON asset ((date_trunc('MONTH', "localDateTime" AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'));
CREATE INDEX ON asset ("originalFileName");
CREATE INDEX ON asset ("originalPath", "libraryId");
CREATE INDEX ON asset ("ownerId");
CREATE INDEX ON asset ("stackId");
CREATE INDEX ON asset ("updateId");

CREATE TABLE stack (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  -- no action: the primary asset of a stack cannot be deleted
  "primaryAssetId" uuid NOT NULL CONSTRAINT "stack_primaryAssetId_uq" UNIQUE REFERENCES asset,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
ALTER TABLE asset ADD FOREIGN KEY ("stackId") REFERENCES stack ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX ON stack ("ownerId");
CREATE INDEX ON stack ("primaryAssetId");

CREATE TABLE asset_exif (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  make varchar,
  model varchar,
  "lensModel" varchar,
  "exifImageWidth" integer,
  "exifImageHeight" integer,
  orientation varchar,
  "fileSizeInByte" bigint,
  "dateTimeOriginal" timestamptz,
  "modifyDate" timestamptz,
  "timeZone" varchar,
  "fNumber" double precision,
  "focalLength" double precision,
  iso integer,
  "exposureTime" varchar,
  fps double precision,
  latitude double precision,
  longitude double precision,
  city varchar,
  state varchar,
  country varchar,
  description text NOT NULL DEFAULT '',
  rating integer,
  tags varchar[],
  "projectionType" varchar,
  "profileDescription" varchar,
  colorspace varchar,
  "bitsPerSample" integer,
  "livePhotoCID" varchar,
  "autoStackId" varchar,
  "lockedProperties" varchar[],
  "updatedAt" timestamptz NOT NULL DEFAULT clock_timestamp(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON asset_exif ("autoStackId");
CREATE INDEX ON asset_exif (city);
CREATE INDEX ON asset_exif ("livePhotoCID");
CREATE INDEX ON asset_exif ("updateId");

CREATE TABLE asset_file (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  type varchar NOT NULL,
  path varchar NOT NULL,
  "isEdited" boolean NOT NULL DEFAULT false,
  "isProgressive" boolean NOT NULL DEFAULT false,
  "isTransparent" boolean NOT NULL DEFAULT false,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  CONSTRAINT "asset_file_assetId_type_isEdited_uq" UNIQUE ("assetId", type, "isEdited")
);
CREATE INDEX ON asset_file ("assetId");
CREATE INDEX ON asset_file ("updateId");

CREATE TABLE asset_job_status (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "metadataExtractedAt" timestamptz,
  "facesRecognizedAt" timestamptz,
  "duplicatesDetectedAt" timestamptz,
  "ocrAt" timestamptz
);

CREATE TABLE asset_edit (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  sequence integer NOT NULL,
  action varchar NOT NULL,
  parameters jsonb NOT NULL,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  CONSTRAINT "asset_edit_assetId_sequence_uq" UNIQUE ("assetId", sequence)
);
CREATE INDEX ON asset_edit ("assetId");
CREATE INDEX ON asset_edit ("updateId");

CREATE TABLE asset_metadata (
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  key varchar NOT NULL,
  value jsonb NOT NULL,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("assetId", key)
);
CREATE INDEX ON asset_metadata ("updatedAt");
CREATE INDEX ON asset_metadata ("updateId");

-- Machine learning ---------------------------------------------------------------------------------------------------

CREATE TABLE smart_search (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  embedding vector(512) NOT NULL
);
CREATE INDEX clip_index ON smart_search USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16);

CREATE TABLE asset_ocr (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  -- the four corners, as parts of the picture's width and height
  x1 real NOT NULL, y1 real NOT NULL,
  x2 real NOT NULL, y2 real NOT NULL,
  x3 real NOT NULL, y3 real NOT NULL,
  x4 real NOT NULL, y4 real NOT NULL,
  "boxScore" real NOT NULL,
  "textScore" real NOT NULL,
  text text NOT NULL,
  "isVisible" boolean NOT NULL DEFAULT true
);
CREATE INDEX ON asset_ocr ("assetId");

CREATE TABLE ocr_search (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  text text NOT NULL
);

CREATE TABLE person (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  name varchar NOT NULL DEFAULT '',
  "birthDate" date CONSTRAINT "person_birthDate_chk" CHECK ("birthDate" <= CURRENT_DATE),
  "thumbnailPath" varchar NOT NULL DEFAULT '',
  "faceAssetId" uuid,
  "isHidden" boolean NOT NULL DEFAULT false,
  "isFavorite" boolean NOT NULL DEFAULT false,
  color varchar,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7()
);
CREATE INDEX ON person ("faceAssetId");
CREATE INDEX ON person ("ownerId");
CREATE INDEX ON person ("updateId");

CREATE TABLE asset_face (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "personId" uuid REFERENCES person ON UPDATE CASCADE ON DELETE SET NULL,
  "imageWidth" integer NOT NULL DEFAULT 0,
  "imageHeight" integer NOT NULL DEFAULT 0,
  "boundingBoxX1" integer NOT NULL DEFAULT 0,
  "boundingBoxY1" integer NOT NULL DEFAULT 0,
  "boundingBoxX2" integer NOT NULL DEFAULT 0,
  "boundingBoxY2" integer NOT NULL DEFAULT 0,
  "sourceType" sourcetype NOT NULL DEFAULT 'machine-learning',
  "isVisible" boolean NOT NULL DEFAULT true,
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "deletedAt" timestamptz
);
ALTER TABLE person ADD FOREIGN KEY ("faceAssetId") REFERENCES asset_face ON DELETE SET NULL;
CREATE INDEX ON asset_face ("assetId", "personId");
CREATE INDEX ON asset_face ("personId", "assetId");
CREATE INDEX "asset_face_personId_assetId_notDeleted_isVisible_idx" ON asset_face ("personId", "assetId")
  WHERE "deletedAt" IS NULL AND "isVisible" IS TRUE;

CREATE TABLE face_search (
  "faceId" uuid PRIMARY KEY REFERENCES asset_face ON DELETE CASCADE,
  embedding vector(512) NOT NULL
);
CREATE INDEX face_index ON face_search USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16);

-- Albums, tags, memories, links --------------------------------------------------------------------------------------

CREATE TABLE album (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "albumName" varchar NOT NULL DEFAULT 'Untitled Album',
  description text NOT NULL DEFAULT '',
  "albumThumbnailAssetId" uuid REFERENCES asset ON UPDATE CASCADE ON DELETE SET NULL,
  "isActivityEnabled" boolean NOT NULL DEFAULT true,
  "order" varchar NOT NULL DEFAULT 'desc',
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "deletedAt" timestamptz
);
CREATE INDEX ON album ("ownerId");
CREATE INDEX ON album ("albumThumbnailAssetId");
CREATE INDEX ON album ("updateId");

CREATE TABLE album_asset (
  "albumId" uuid NOT NULL REFERENCES album ON UPDATE CASCADE ON DELETE CASCADE,
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("albumId", "assetId")
);
CREATE INDEX ON album_asset ("albumId");
CREATE INDEX ON album_asset ("assetId");
CREATE INDEX ON album_asset ("updateId");

CREATE TABLE album_user (
  "albumId" uuid NOT NULL REFERENCES album ON UPDATE CASCADE ON DELETE CASCADE,
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  role varchar NOT NULL DEFAULT 'editor',
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "createId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("albumId", "userId")
);
CREATE INDEX ON album_user ("albumId");
CREATE INDEX ON album_user ("userId");
CREATE INDEX ON album_user ("createId");
CREATE INDEX ON album_user ("updateId");

CREATE TABLE tag (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  value varchar NOT NULL,
  color varchar,
  "parentId" uuid REFERENCES tag ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  CONSTRAINT "tag_userId_value_uq" UNIQUE ("userId", value)
);
CREATE INDEX ON tag ("parentId");
CREATE INDEX ON tag ("updateId");

CREATE TABLE tag_asset (
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "tagId" uuid NOT NULL REFERENCES tag ON UPDATE CASCADE ON DELETE CASCADE,
  PRIMARY KEY ("assetId", "tagId")
);
CREATE INDEX ON tag_asset ("assetId");
CREATE INDEX ON tag_asset ("tagId");
CREATE INDEX ON tag_asset ("assetId", "tagId");

-- each tag with itself and with everything below it
CREATE TABLE tag_closure (
  id_ancestor uuid NOT NULL REFERENCES tag ON DELETE CASCADE,
  id_descendant uuid NOT NULL REFERENCES tag ON DELETE CASCADE,
  PRIMARY KEY (id_ancestor, id_descendant)
);
CREATE INDEX ON tag_closure (id_ancestor);
CREATE INDEX ON tag_closure (id_descendant);

CREATE TABLE memory (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  type varchar NOT NULL,
  data jsonb NOT NULL,
  "memoryAt" timestamptz NOT NULL,
  "showAt" timestamptz,
  "hideAt" timestamptz,
  "seenAt" timestamptz,
  "isSaved" boolean NOT NULL DEFAULT false,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  "deletedAt" timestamptz
);
CREATE INDEX ON memory ("ownerId");
CREATE INDEX ON memory ("updateId");

CREATE TABLE memory_asset (
  "memoriesId" uuid NOT NULL REFERENCES memory ON UPDATE CASCADE ON DELETE CASCADE,
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "updateId" uuid NOT NULL DEFAULT immich_uuid_v7(),
  PRIMARY KEY ("memoriesId", "assetId")
);
CREATE INDEX ON memory_asset ("memoriesId");
CREATE INDEX ON memory_asset ("assetId");
CREATE INDEX ON memory_asset ("updateId");

CREATE TABLE shared_link (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  "userId" uuid NOT NULL REFERENCES "user" ON UPDATE CASCADE ON DELETE CASCADE,
  "albumId" uuid REFERENCES album ON UPDATE CASCADE ON DELETE CASCADE,
  type varchar NOT NULL,
  key bytea NOT NULL CONSTRAINT shared_link_key_uq UNIQUE,
  slug varchar CONSTRAINT shared_link_slug_uq UNIQUE,
  description varchar,
  password varchar,
  "allowUpload" boolean NOT NULL DEFAULT false,
  "allowDownload" boolean NOT NULL DEFAULT true,
  "showExif" boolean NOT NULL DEFAULT true,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "expiresAt" timestamptz
);
CREATE INDEX ON shared_link (key);
CREATE INDEX ON shared_link ("userId");
CREATE INDEX ON shared_link ("albumId");

CREATE TABLE shared_link_asset (
  "assetId" uuid NOT NULL REFERENCES asset ON UPDATE CASCADE ON DELETE CASCADE,
  "sharedLinkId" uuid NOT NULL REFERENCES shared_link ON UPDATE CASCADE ON DELETE CASCADE,
  PRIMARY KEY ("assetId", "sharedLinkId")
);
CREATE INDEX ON shared_link_asset ("assetId");
CREATE INDEX ON shared_link_asset ("sharedLinkId");

-- What a write to one table does to another --------------------------------------------------------------------------

CREATE FUNCTION asset_edit_insert() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE asset SET "isEdited" = true WHERE NOT "isEdited" AND id IN (SELECT "assetId" FROM inserted_edit);
  RETURN NULL;
END
$$;
CREATE TRIGGER asset_edit_insert AFTER INSERT ON asset_edit REFERENCING NEW TABLE AS inserted_edit
  FOR EACH STATEMENT EXECUTE FUNCTION asset_edit_insert();

CREATE FUNCTION asset_edit_delete() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE asset SET "isEdited" = false
  WHERE "isEdited" AND id IN (SELECT "assetId" FROM deleted_edit)
    AND NOT EXISTS (SELECT FROM asset_edit WHERE asset_edit."assetId" = asset.id);
  RETURN NULL;
END
$$;
CREATE TRIGGER asset_edit_delete AFTER DELETE ON asset_edit REFERENCING OLD TABLE AS deleted_edit
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION asset_edit_delete();

CREATE FUNCTION album_user_after_insert() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE album SET "updatedAt" = clock_timestamp() WHERE id IN (SELECT "albumId" FROM inserted_rows);
  RETURN NULL;
END
$$;
CREATE TRIGGER album_user_after_insert AFTER INSERT ON album_user REFERENCING NEW TABLE AS inserted_rows
  FOR EACH STATEMENT EXECUTE FUNCTION album_user_after_insert();
