-- Whose line it is: 0 the server's, 1 the platform's. Older lines say so in their text alone; they count as the server's.
ALTER TABLE log_lines ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
