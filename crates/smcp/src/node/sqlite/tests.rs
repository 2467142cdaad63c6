//! The adapter against the whole contract of the stores.
