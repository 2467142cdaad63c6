//! How files open, what modules and crates are called, and what is imported whole.

use super::source::Source;
use super::{Checked, Finding};
use crate::workspace::Metadata;

/// Names that say nothing, so that everything ends up there.
const EMPTY_NAMES: [&str; 6] = ["common", "util", "utils", "helper", "helpers", "misc"];

/// Every file says in its first line what lives there.
pub(super) fn headers(sources: &[Source]) -> Checked {
    let silent = sources.iter().filter(|source| !opens_well(&source.first_line));
    let findings = silent.map(|source| {
        Finding::new("header", &source.path, "does not open with a `//!` sentence that says what lives there")
    });
    Checked::new("file headers", sources.len(), findings.collect())
}

fn opens_well(line: &str) -> bool {
    line.strip_prefix("//! ").is_some_and(|sentence| sentence.trim().contains(' '))
}

/// No `mod.rs`, and no module or crate with a name that says nothing.
pub(super) fn names(metadata: &Metadata, sources: &[Source]) -> Checked {
    let crates: Vec<_> = metadata.crates().map(|package| package.name.as_str()).collect();
    let mut findings: Vec<_> = crates.iter().filter_map(|name| empty_name(name, name)).collect();
    for source in sources {
        if source.path.ends_with("/mod.rs") {
            findings.push(Finding::new("names", &source.path, "`mod.rs`: name the file after its module"));
        }
        findings.extend(source.modules.iter().filter_map(|module| empty_name(&source.path, module)));
    }
    Checked::new("names", crates.len() + sources.len(), findings)
}

fn empty_name(place: &str, name: &str) -> Option<Finding> {
    let empty = name.split(['-', '_']).find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new("names", place, format!("`{name}`: \"{empty}\" does not say what lives there")))
}

/// Neither the whole crate nor a prelude is imported.
pub(super) fn imports(sources: &[Source]) -> Checked {
    let mut findings = Vec::new();
    for source in sources {
        let wide = source.globs.iter().filter(|glob| *glob == "crate::*" || glob.ends_with("prelude::*"));
        findings.extend(wide.map(|glob| Finding::new("imports", &source.path, format!("`use {glob}`"))));
    }
    let globs = sources.iter().map(|source| source.globs.len()).sum::<usize>();
    let mut checked = Checked::new("imports", sources.len(), findings);
    checked.note = format!("{globs} glob imports in all");
    checked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{headers, imports, names};
    use crate::tidy::source::Source;
    use crate::workspace::Metadata;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    fn workspace(name: &str) -> Metadata {
        let package = json!({"id": name, "name": name, "version": "1.0.0", "source": null, "license": null,
                             "dependencies": [], "metadata": null});
        let value = json!({"packages": [package], "workspace_members": [name], "target_directory": "target"});
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_file_must_say_what_lives_there() {
        assert!(headers(&[source("a.rs", "//! The planner.\n")]).findings.is_empty());
        for silent in [
            "",
            "//!\n",
            "//! Planner\n",
            "// The planner.\n",
            "\n//! The planner.\n",
            "/// The planner.\nfn f() {}",
        ] {
            assert_eq!(headers(&[source("a.rs", silent)]).findings.len(), 1, "{silent:?}");
        }
    }

    #[test]
    fn empty_names_are_found_in_crates_modules_and_files() {
        assert!(
            names(&workspace("smcp-core"), &[source("src/plan.rs", "mod utilisation;")]).findings.is_empty()
        );
        assert_eq!(names(&workspace("smcp-common"), &[]).findings.len(), 1);
        assert_eq!(names(&workspace("a"), &[source("src/lib.rs", "mod http_utils;")]).findings.len(), 1);
        assert_eq!(
            names(&workspace("a"), &[source("src/lib.rs", "mod a { mod misc {} }")]).findings.len(),
            1
        );
        assert_eq!(names(&workspace("a"), &[source("src/plan/mod.rs", "")]).findings.len(), 1);
    }

    #[test]
    fn only_wide_globs_are_refused() {
        let fine = "use super::*; use crate::plan::*; use a::prelude::Thing;";
        assert!(imports(&[source("a.rs", fine)]).findings.is_empty());
        for wide in [
            "use crate::*;",
            "use proptest::prelude::*;",
            "use a::{b, prelude::*};",
            "fn f() { use crate::*; }",
        ] {
            assert_eq!(imports(&[source("a.rs", wide)]).findings.len(), 1, "{wide}");
        }
    }
}
