-- Event streams of legacy clients, for some minutes. Their events are sealed under the tenant's data key.
CREATE TABLE streams (
  tenant_id BLOB NOT NULL,
  id BLOB NOT NULL,
  scope BLOB NOT NULL,
  requests TEXT NOT NULL,
  last INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX streams_by_scope ON streams (tenant_id, scope);
CREATE INDEX streams_by_expiry ON streams (expires_at);

-- `place` is the order in which they came, over all streams.
CREATE TABLE stream_events (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id BLOB NOT NULL,
  stream_id BLOB NOT NULL,
  number INTEGER NOT NULL,
  scope BLOB NOT NULL,
  sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX stream_events_by_number ON stream_events (tenant_id, stream_id, number);
CREATE INDEX stream_events_by_scope ON stream_events (tenant_id, scope, place);
