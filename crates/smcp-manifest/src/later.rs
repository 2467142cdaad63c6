//! Sections that the manifest will have one day: refused by name until something enforces them.

use toml::de::DeValue;

/// A section or key that is known and not offered yet.
pub(crate) struct Later {
    /// The table it stands in, empty for the top.
    pub(crate) table: &'static str,
    /// Its key there.
    pub(crate) key: &'static str,
    /// As an author writes it.
    shown: &'static str,
    /// What it asks for.
    what: &'static str,
}

const fn section(key: &'static str, shown: &'static str, what: &'static str) -> Later {
    Later { table: "", key, shown, what }
}

/// Take a line out when its enforcement is there, and read the key in `manifest.rs` instead. A manifest section is
/// never accepted and ignored.
pub(crate) const LATER: &[Later] = &[
    section("triggers", "[triggers]", "scheduled events"),
    section("kv_namespaces", "[[kv_namespaces]]", "KV bindings"),
    section("r2_buckets", "[[r2_buckets]]", "object bindings"),
    section("d1_databases", "[[d1_databases]]", "SQL databases"),
];

impl Later {
    /// The entry for a key of a table, if it is one of these.
    pub(crate) fn of(table: &str, key: &str) -> Option<&'static Self> {
        LATER.iter().find(|later| later.table == table && later.key == key)
    }

    /// The refusal, a whole sentence.
    pub(crate) fn refusal(&self) -> String {
        let Self { shown, what, .. } = self;
        let part = if self.table.is_empty() || shown.starts_with('[') { "section" } else { "key" };
        let verb = if what.starts_with("a ") { "comes" } else { "come" };
        format!(
            "`{shown}` is not offered yet: {what} {verb} with a later release; remove the {part} to deploy"
        )
    }
}

/// Whether a value asks for nothing: an empty list, or a section of nothing but such.
pub(crate) fn asks_for_nothing(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Array(items) => items.is_empty(),
        DeValue::Table(table) => table.values().all(|item| asks_for_nothing(item.get_ref())),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => false,
    }
}
