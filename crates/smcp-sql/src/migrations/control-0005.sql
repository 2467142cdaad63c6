-- What the client of a session has asked for since it began: told again to a server that begins the session again.
ALTER TABLE sessions ADD COLUMN wishes TEXT NOT NULL DEFAULT '';
