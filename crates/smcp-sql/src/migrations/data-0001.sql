-- What hosted code of one tenant stores. Keys are BLOBs: compared byte by byte, whatever is in them. `bytes` is what a
-- row takes of the tenant's quota; triggers keep the sum, so that no statement can forget to.
CREATE TABLE usage (
  tenant_id BLOB NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL,
  quota INTEGER NOT NULL
) STRICT;
-- A row over the quota may shrink, never grow.
CREATE TRIGGER usage_over_quota BEFORE UPDATE OF bytes ON usage
WHEN new.bytes > new.quota AND new.bytes > old.bytes
BEGIN SELECT RAISE(ABORT, 'over quota'); END;

CREATE TABLE kv (
  tenant_id BLOB NOT NULL,
  namespace TEXT NOT NULL,
  key BLOB NOT NULL,
  version INTEGER NOT NULL,
  metadata BLOB,
  expires_at INTEGER,
  bytes INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (tenant_id, namespace, key)
) STRICT;
CREATE INDEX kv_by_expiry ON kv (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
-- What of a sealed value does not fit into its row (DESIGN 18: rows stay below 2 MB).
CREATE TABLE kv_pieces (
  tenant_id BLOB NOT NULL,
  namespace TEXT NOT NULL,
  key BLOB NOT NULL,
  number INTEGER NOT NULL,
  piece BLOB NOT NULL,
  PRIMARY KEY (tenant_id, namespace, key, number)
) STRICT;
CREATE TRIGGER kv_added AFTER INSERT ON kv
BEGIN UPDATE usage SET bytes = bytes + new.bytes WHERE tenant_id = new.tenant_id; END;
CREATE TRIGGER kv_changed AFTER UPDATE OF bytes ON kv
BEGIN UPDATE usage SET bytes = bytes + new.bytes - old.bytes WHERE tenant_id = new.tenant_id; END;
CREATE TRIGGER kv_removed AFTER DELETE ON kv
BEGIN
  UPDATE usage SET bytes = bytes - old.bytes WHERE tenant_id = old.tenant_id;
  DELETE FROM kv_pieces WHERE tenant_id = old.tenant_id AND namespace = old.namespace AND key = old.key;
END;

-- A run of sealed chunks among the blobs, written before the row that makes it part of something. `owner` is the id of
-- an object, `upload` that of an unfinished upload; with neither it is nobody's and goes when `since` is long enough ago.
CREATE TABLE segments (
  tenant_id BLOB NOT NULL,
  id BLOB NOT NULL,
  bucket TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  owner BLOB,
  upload BLOB,
  since INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX segments_by_owner ON segments (tenant_id, owner) WHERE owner IS NOT NULL;
CREATE INDEX segments_by_upload ON segments (tenant_id, upload) WHERE upload IS NOT NULL;
CREATE INDEX segments_of_nobody ON segments (tenant_id, since) WHERE owner IS NULL AND upload IS NULL;
CREATE TRIGGER segments_added AFTER INSERT ON segments
BEGIN UPDATE usage SET bytes = bytes + new.bytes WHERE tenant_id = new.tenant_id; END;
CREATE TRIGGER segments_removed AFTER DELETE ON segments
BEGIN UPDATE usage SET bytes = bytes - old.bytes WHERE tenant_id = old.tenant_id; END;

CREATE TABLE objects (
  tenant_id BLOB NOT NULL,
  bucket TEXT NOT NULL,
  key BLOB NOT NULL,
  id BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  head BLOB NOT NULL,
  layout BLOB NOT NULL,
  PRIMARY KEY (tenant_id, bucket, key)
) STRICT;
CREATE TRIGGER objects_added AFTER INSERT ON objects
BEGIN UPDATE usage SET bytes = bytes + new.bytes WHERE tenant_id = new.tenant_id; END;
CREATE TRIGGER objects_changed AFTER UPDATE OF id ON objects
BEGIN
  UPDATE usage SET bytes = bytes + new.bytes - old.bytes WHERE tenant_id = new.tenant_id;
  UPDATE segments SET owner = NULL, since = 0 WHERE tenant_id = old.tenant_id AND owner = old.id;
END;
CREATE TRIGGER objects_removed AFTER DELETE ON objects
BEGIN
  UPDATE usage SET bytes = bytes - old.bytes WHERE tenant_id = old.tenant_id;
  UPDATE segments SET owner = NULL, since = 0 WHERE tenant_id = old.tenant_id AND owner = old.id;
END;

CREATE TABLE uploads (
  tenant_id BLOB NOT NULL,
  id BLOB NOT NULL,
  bucket TEXT NOT NULL,
  key BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  head BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX uploads_by_age ON uploads (tenant_id, created_at);
CREATE TABLE parts (
  tenant_id BLOB NOT NULL,
  upload BLOB NOT NULL,
  number INTEGER NOT NULL,
  segment BLOB NOT NULL,
  head BLOB NOT NULL,
  PRIMARY KEY (tenant_id, upload, number),
  FOREIGN KEY (tenant_id, upload) REFERENCES uploads (tenant_id, id)
) STRICT;
CREATE TRIGGER uploads_added AFTER INSERT ON uploads
BEGIN UPDATE usage SET bytes = bytes + new.bytes WHERE tenant_id = new.tenant_id; END;
CREATE TRIGGER uploads_removed BEFORE DELETE ON uploads
BEGIN
  UPDATE usage SET bytes = bytes - old.bytes WHERE tenant_id = old.tenant_id;
  DELETE FROM parts WHERE tenant_id = old.tenant_id AND upload = old.id;
  UPDATE segments SET upload = NULL, since = 0 WHERE tenant_id = old.tenant_id AND upload = old.id;
END;
CREATE TRIGGER parts_replaced AFTER UPDATE OF segment ON parts
BEGIN
  UPDATE segments SET upload = NULL, since = 0
  WHERE tenant_id = old.tenant_id AND id = old.segment AND id <> new.segment;
END;
