ALTER TABLE log_lines ADD COLUMN trace_id BLOB;
