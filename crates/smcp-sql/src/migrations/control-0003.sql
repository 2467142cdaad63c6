-- Encryption at rest. Which master key wraps everything below: one row, replaced in one transaction with all it wraps.
CREATE TABLE master_key (
  slot INTEGER NOT NULL PRIMARY KEY CHECK (slot = 1),
  id BLOB NOT NULL
) STRICT;
-- Every wrapped key names the key that wraps it, after its format byte.
INSERT INTO master_key (slot, id) SELECT 1, substr(wrapped, 2, 16) FROM ring_keys LIMIT 1;

-- Keys of tenants' data. What is left of a destroyed one is its name.
CREATE TABLE data_keys (
  tenant_id BLOB NOT NULL REFERENCES tenants (id),
  id BLOB NOT NULL,
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  wrapped BLOB NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT;
-- One active key per tenant, whoever makes it first.
CREATE UNIQUE INDEX data_keys_active ON data_keys (tenant_id) WHERE state = 'active';
CREATE INDEX data_keys_rotating ON data_keys (tenant_id) WHERE state IN ('retiring', 'retired');
