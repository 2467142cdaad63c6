CREATE TABLE log_lines (
  tenant_id BLOB NOT NULL,
  server_id BLOB NOT NULL,
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  version BLOB NOT NULL,
  at INTEGER NOT NULL,
  level INTEGER NOT NULL,
  request_id BLOB,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX log_lines_by_server ON log_lines (tenant_id, server_id, id);
CREATE INDEX log_lines_by_time ON log_lines (at);
