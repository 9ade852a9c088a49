-- From 2.7.5 to 3.1.0.

-- a length is a number of milliseconds
ALTER TABLE asset
  DROP COLUMN "deviceAssetId",
  DROP COLUMN "deviceId",
  DROP COLUMN duration,
  ADD COLUMN duration integer;
CREATE INDEX ON asset ("createdAt");

-- the owner of an album is the one user of it with that role
CREATE TYPE album_user_role_enum AS ENUM ('owner', 'editor', 'viewer');
ALTER TABLE album DROP COLUMN "ownerId";
ALTER TABLE album_user
  ALTER COLUMN role DROP DEFAULT,
  ALTER COLUMN role TYPE album_user_role_enum USING role::album_user_role_enum,
  ALTER COLUMN role SET DEFAULT 'editor';
CREATE UNIQUE INDEX album_user_unique_owner ON album_user ("albumId") WHERE role = 'owner';

ALTER TABLE asset_ocr ADD COLUMN "updateId" uuid NOT NULL DEFAULT immich_uuid_v7();
CREATE INDEX ON asset_ocr ("updateId");

CREATE TABLE asset_video (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  index smallint NOT NULL,
  "formatName" text NOT NULL,
  "formatLongName" text NOT NULL,
  "codecName" text NOT NULL,
  profile smallint,
  level smallint,
  "pixelFormat" text NOT NULL,
  bitrate integer NOT NULL,
  "frameCount" integer NOT NULL,
  "timeBase" integer NOT NULL,
  "colorPrimaries" smallint NOT NULL,
  "colorTransfer" smallint NOT NULL,
  "colorMatrix" smallint NOT NULL,
  "dvProfile" smallint,
  "dvLevel" smallint,
  "dvBlSignalCompatibilityId" smallint
);

CREATE TABLE asset_audio (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  index smallint NOT NULL,
  "codecName" text NOT NULL,
  profile smallint,
  bitrate integer NOT NULL
);

CREATE TABLE asset_keyframe (
  "assetId" uuid PRIMARY KEY REFERENCES asset ON DELETE CASCADE,
  pts integer[] NOT NULL,
  "ownDuration" integer[] NOT NULL,
  "accDuration" integer[] NOT NULL,
  "totalDuration" integer NOT NULL,
  "packetCount" integer NOT NULL,
  "outputFrames" integer NOT NULL
);
