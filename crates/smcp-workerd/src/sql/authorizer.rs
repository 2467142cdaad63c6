//! What a statement may do: SQLite asks about each part of it while it reads it. The lists are D1's.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Names that begin so are D1's own.
const RESERVED: &str = "_cf_";
/// Tables that SQLite brings along and that tell about the file rather than what is in it.
const HIDDEN: [&str; 1] = ["dbstat"];
/// Kinds of virtual tables: full-text search and spatial indices.
const MODULES: [&str; 4] = ["fts5", "fts5vocab", "rtree", "rtree_i32"];

/// What a PRAGMA may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    None,
    Boolean,
    Name,
    OptionalName,
    OptionalNumber,
    OptionalNumberOrName,
}

const PRAGMAS: [(&str, Argument); 19] = [
    ("case_sensitive_like", Argument::Boolean),
    ("data_version", Argument::None),
    ("defer_foreign_keys", Argument::Boolean),
    ("foreign_key_check", Argument::OptionalName),
    ("foreign_key_list", Argument::Name),
    ("foreign_keys", Argument::Boolean),
    ("ignore_check_constraints", Argument::Boolean),
    ("index_info", Argument::Name),
    ("index_list", Argument::Name),
    ("index_xinfo", Argument::Name),
    ("legacy_alter_table", Argument::Boolean),
    ("optimize", Argument::OptionalNumber),
    // Spatial indices ask for it.
    ("page_size", Argument::None),
    ("quick_check", Argument::OptionalNumberOrName),
    ("recursive_triggers", Argument::Boolean),
    ("reverse_unordered_selects", Argument::Boolean),
    ("table_info", Argument::Name),
    ("table_list", Argument::OptionalName),
    ("table_xinfo", Argument::Name),
];

/// Functions, by what they are about; sorted. What tells about the build or reaches out of the database is not here.
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "bm25",
    "ceil",
    "changes",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "highlight",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_tree",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_patch",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "julianday",
    "lag",
    "last_insert_rowid",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log2",
    "lower",
    "ltrim",
    "match",
    "max",
    "max_scalar",
    "min",
    "min_scalar",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "pow",
    "printf",
    "quote",
    "radians",
    "random",
    "randomblob",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtreecheck",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "snippet",
    "soundex",
    "sqlite_drop_column",
    "sqlite_rename_column",
    "sqlite_rename_quotefix",
    "sqlite_rename_table",
    "sqlite_rename_test",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "tan",
    "tanh",
    "time",
    "timediff",
    "total",
    "total_changes",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
    "zeroblob",
];

/// Answers SQLite, and remembers what the error is to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The statements of this program itself, between those it was sent.
    own: AtomicBool,
    /// Somebody tried to begin or end a transaction.
    transaction: AtomicBool,
    /// Some table is read.
    reads: AtomicBool,
}

impl Guard {
    /// Runs statements of this program itself.
    pub(super) fn trusted<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.shared.own.swap(true, Ordering::Relaxed);
        let done = work();
        self.shared.own.store(before, Ordering::Relaxed);
        done
    }

    /// Whether a transaction was refused since this was last asked.
    pub(super) fn take_transaction(&self) -> bool {
        self.shared.transaction.swap(false, Ordering::Relaxed)
    }

    /// Whether a statement that reads a table was read since this was last asked.
    pub(super) fn take_reads(&self) -> bool {
        self.shared.reads.swap(false, Ordering::Relaxed)
    }

    /// SQLite's question.
    pub(super) fn decide(&self, context: &AuthContext<'_>) -> Authorization {
        if self.shared.own.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        if let AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } = context.action {
            self.shared.transaction.store(true, Ordering::Relaxed);
        }
        if let AuthAction::Read { .. } = context.action {
            self.shared.reads.store(true, Ordering::Relaxed);
        }
        if allowed(context) { Authorization::Allow } else { Authorization::Deny }
    }
}

fn allowed(context: &AuthContext<'_>) -> bool {
    let database = match context.action {
        // Here alone it is the first argument, and in its place may be the name of a column.
        AuthAction::AlterTable { database_name, .. } => Some(database_name),
        _ => context.database_name,
    };
    match database {
        None | Some("main") => {}
        // The schema of temporary tables is read by tools; there are none.
        Some("temp") => {
            return match context.action {
                AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. } => {
                    name(table_name)
                }
                _ => false,
            };
        }
        Some(_) => return false,
    }
    match context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Analyze { .. } => true,
        AuthAction::Read { table_name, .. } => {
            name(table_name) && !HIDDEN.iter().any(|hidden| table_name.eq_ignore_ascii_case(hidden))
        }
        AuthAction::CreateTable { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::AlterTable { table_name, .. } => name(table_name),
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => name(view_name),
        AuthAction::Reindex { index_name } => name(index_name),
        AuthAction::CreateIndex { index_name, table_name }
        | AuthAction::DropIndex { index_name, table_name } => name(index_name) && name(table_name),
        AuthAction::CreateTrigger { trigger_name, table_name }
        | AuthAction::DropTrigger { trigger_name, table_name } => name(trigger_name) && name(table_name),
        AuthAction::CreateVtable { table_name, module_name }
        | AuthAction::DropVtable { table_name, module_name } => {
            name(table_name) && MODULES.iter().any(|module| module_name.eq_ignore_ascii_case(module))
        }
        AuthAction::Pragma { pragma_name, pragma_value } => pragma(pragma_name, pragma_value),
        AuthAction::Function { function_name } => FUNCTIONS.binary_search(&function_name).is_ok(),
        // Attached files, temporary tables, transactions, and whatever a newer SQLite asks about.
        _ => false,
    }
}

fn name(name: &str) -> bool {
    !name.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
}

fn pragma(pragma: &str, value: Option<&str>) -> bool {
    let pragma = pragma.to_ascii_lowercase();
    let found = PRAGMAS.binary_search_by_key(&pragma.as_str(), |(name, _)| name);
    let Ok((_, argument)) = found.map(|at| PRAGMAS[at]) else { return false };
    match (argument, value) {
        (Argument::None, value) => value.is_none(),
        (Argument::Name, None) => false,
        (Argument::Name, Some(value)) => name(value),
        (
            Argument::Boolean
            | Argument::OptionalName
            | Argument::OptionalNumber
            | Argument::OptionalNumberOrName,
            None,
        ) => true,
        (Argument::Boolean, Some(value)) => boolean(value),
        (Argument::OptionalName, Some(value)) => name(value),
        (Argument::OptionalNumber, Some(value)) => value.parse::<i32>().is_ok(),
        (Argument::OptionalNumberOrName, Some(value)) => value.parse::<u32>().is_ok() || name(value),
    }
}

fn boolean(value: &str) -> bool {
    let quoted = ['\'', '"'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = quoted.unwrap_or(value).to_ascii_lowercase();
    ["0", "1", "false", "no", "off", "on", "true", "yes"].contains(&value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_their_search() {
        assert!(PRAGMAS.is_sorted_by_key(|(name, _)| *name) && FUNCTIONS.is_sorted());
    }

    #[test]
    fn pragmas_are_listed_with_what_they_may_be_given() {
        for (name, value) in [
            ("table_info", Some("t")),
            ("TABLE_LIST", None),
            ("foreign_keys", Some("'ON'")),
            ("foreign_keys", None),
            ("quick_check", Some("3")),
            ("quick_check", Some("t")),
            ("optimize", Some("-1")),
            ("page_size", None),
        ] {
            assert!(pragma(name, value), "{name} {value:?}");
        }
        for (name, value) in [
            ("writable_schema", Some("ON")),
            ("journal_mode", None),
            ("max_page_count", Some("9")),
            ("page_size", Some("512")),
            ("table_info", Some("_cf_KV")),
            ("table_info", None),
            ("foreign_keys", Some("2")),
            ("optimize", Some("x")),
            ("temp_store_directory", Some("/tmp")),
            ("hard_heap_limit", Some("0")),
            ("trusted_schema", Some("ON")),
        ] {
            assert!(!pragma(name, value), "{name} {value:?}");
        }
    }

    #[test]
    fn names_of_the_platform_are_its_own() {
        assert!(name("cf_kv") && name("_cf") && name("é"));
        assert!(!name("_cf_KV") && !name("_CF_x"));
    }
}
