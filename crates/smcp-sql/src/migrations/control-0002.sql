-- What an administrator lets a tenant's manifests ask for at most: JSON, key of the limit to number. What is not in it has
-- the platform's ceiling.
ALTER TABLE tenants ADD COLUMN ceilings TEXT NOT NULL DEFAULT '{}';
