-- What storage/migrations.py needs before the first numbered file; may be run again.

CREATE SCHEMA IF NOT EXISTS tickstream;
COMMENT ON SCHEMA tickstream IS 'Scores of market ticks and the anomalies among them.';

CREATE TABLE IF NOT EXISTS tickstream.migrations (
  name       text        PRIMARY KEY,
  checksum   text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  tickstream.migrations            IS 'The files of sql/schema that this database has had.';
COMMENT ON COLUMN tickstream.migrations.name       IS 'Name of the file.';
COMMENT ON COLUMN tickstream.migrations.checksum   IS 'BLAKE2b digest of its text, 16 bytes in hex.';
COMMENT ON COLUMN tickstream.migrations.applied_at IS 'When it was applied.';
