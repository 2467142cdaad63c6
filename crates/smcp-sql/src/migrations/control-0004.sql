-- Secrets of servers. `sealed` is bound to tenant, server, name and version: a row that was moved does not open.
CREATE TABLE secrets (
  tenant_id BLOB NOT NULL,
  server_id BLOB NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  sealed BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, server_id, name)
) STRICT;
