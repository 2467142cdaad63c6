-- Tenant id leads every primary key but the key ring's, which is the platform's own. Times are Unix milliseconds.
CREATE TABLE tenants (
  id BLOB NOT NULL PRIMARY KEY,
  slug TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- Slugs ever given out. A row outlives what it names: no name is given out twice (DESIGN 16).
CREATE TABLE tenant_slugs (slug TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE server_slugs (
  tenant_id BLOB NOT NULL,
  slug TEXT NOT NULL,
  PRIMARY KEY (tenant_id, slug)
) STRICT, WITHOUT ROWID;

CREATE TABLE servers (
  tenant_id BLOB NOT NULL REFERENCES tenants (id),
  id BLOB NOT NULL,
  slug TEXT NOT NULL,
  active BLOB,
  revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX servers_by_slug ON servers (tenant_id, slug);

CREATE TABLE versions (
  tenant_id BLOB NOT NULL,
  server_id BLOB NOT NULL,
  digest BLOB NOT NULL,
  manifest TEXT NOT NULL,
  definitions TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, server_id, digest),
  FOREIGN KEY (tenant_id, server_id) REFERENCES servers (tenant_id, id)
) STRICT;

CREATE TABLE api_keys (
  tenant_id BLOB NOT NULL REFERENCES tenants (id),
  id BLOB NOT NULL,
  label TEXT NOT NULL,
  role TEXT NOT NULL,
  servers TEXT NOT NULL,
  pepper_id BLOB NOT NULL,
  mac BLOB NOT NULL,
  previous_pepper_id BLOB,
  previous_mac BLOB,
  previous_until INTEGER,
  status TEXT NOT NULL,
  expires_at INTEGER,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX api_keys_by_mac ON api_keys (tenant_id, pepper_id, mac);
CREATE INDEX api_keys_by_previous_mac ON api_keys (tenant_id, previous_pepper_id, previous_mac);

CREATE TABLE sessions (
  tenant_id BLOB NOT NULL,
  id BLOB NOT NULL,
  server_id BLOB NOT NULL,
  version BLOB NOT NULL,
  inner_id TEXT NOT NULL,
  initialize TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  idle_expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX sessions_by_expiry ON sessions (idle_expires_at);

CREATE TABLE ring_keys (
  id BLOB NOT NULL PRIMARY KEY,
  purpose TEXT NOT NULL,
  state TEXT NOT NULL,
  not_before INTEGER NOT NULL,
  not_after INTEGER,
  wrapped BLOB NOT NULL
) STRICT;
-- One active key per purpose, whoever makes it first.
CREATE UNIQUE INDEX ring_keys_active ON ring_keys (purpose) WHERE state = 'active';
