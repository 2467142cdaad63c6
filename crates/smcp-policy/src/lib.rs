//! Roles and Cedar policies: may this caller do this.
