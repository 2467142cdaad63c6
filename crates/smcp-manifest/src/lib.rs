//! smcp.toml: parse, validate, lock, digest.
