//! The list of exceptions to the rules. It may only shrink: one that is too generous, or not needed, fails.

use serde::Deserialize;

use super::{Checked, Finding};
use crate::Result;

const FILE: &str = "xtask/tidy-exceptions.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    exception: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    rule: String,
    place: String,
    /// How big it is today; only for rules about size.
    size: Option<usize>,
    /// Why it may stay so.
    reason: String,
}

/// Takes what is excepted out of the findings, and adds a check of the list itself.
pub(super) fn apply(list: &str, checks: &mut Vec<Checked>) -> Result<()> {
    let list: List = toml::from_str(list).map_err(|error| format!("{FILE}: {error}"))?;
    let mut complaints = Vec::new();
    for exception in &list.exception {
        let mut met = Vec::new();
        for check in checks.iter_mut() {
            met.extend(
                check
                    .findings
                    .extract_if(.., |finding| exception.covers(finding))
                    .map(|finding| finding.size),
            );
        }
        complaints.extend(exception.complaint(&met));
    }
    checks.push(Checked::new("exceptions", list.exception.len(), complaints));
    Ok(())
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        let fits = finding.size.is_none_or(|size| self.size.is_some_and(|allowed| size <= allowed));
        finding.rule == self.rule && finding.place == self.place && fits
    }

    fn complaint(&self, met: &[Option<usize>]) -> Option<Finding> {
        let largest = met.iter().max();
        let message = match largest {
            None => "is no longer needed: delete it".to_owned(),
            Some(Some(size)) if Some(*size) < self.size => format!("is down to {size}: lower the exception"),
            Some(_) if self.reason.trim().is_empty() => "has no reason".to_owned(),
            Some(_) => return None,
        };
        Some(Finding::new("exceptions", FILE, format!("{} at {} {message}", self.rule, self.place)))
    }
}

#[cfg(test)]
mod tests {
    use super::apply;
    use crate::tidy::{Checked, Finding};

    const LIST: &str = r#"
        [[exception]]
        rule = "function-lines"
        place = "a.rs::f"
        size = 90
        reason = "a table"
    "#;

    /// What is left of a function of `size` lines, and what is said about the list.
    fn outcome(list: &str, size: usize) -> (usize, usize) {
        let finding = Finding { size: Some(size), ..Finding::new("function-lines", "a.rs::f", "long") };
        let mut checks = vec![Checked::new("function sizes", 1, vec![finding])];
        apply(list, &mut checks).unwrap();
        (checks[0].findings.len(), checks[1].findings.len())
    }

    #[test]
    fn an_exception_covers_exactly_what_it_names() {
        assert_eq!(outcome(LIST, 90), (0, 0));
        assert_eq!(outcome("", 90), (1, 0));
        assert_eq!(outcome(LIST, 91), (1, 1), "it grew");
        assert_eq!(outcome(&LIST.replace("::f", "::g"), 90), (1, 1), "another function");
        assert_eq!(outcome(&LIST.replace("function-lines", "bools"), 90), (1, 1), "another rule");
    }

    #[test]
    fn the_list_may_only_shrink() {
        assert_eq!(outcome(LIST, 85), (0, 1), "it shrank, so the exception must");
        let mut checks = vec![Checked::new("function sizes", 1, vec![])];
        apply(LIST, &mut checks).unwrap();
        assert_eq!(checks[1].findings.len(), 1, "not needed");
        assert_eq!(outcome(&LIST.replace("a table", " "), 90), (0, 1), "no reason");
    }

    #[test]
    fn unknown_fields_are_mistakes() {
        assert!(
            apply("[[exception]]\nrule = \"a\"\nplace = \"b\"\nreason = \"c\"\nuntil = 1", &mut vec![])
                .is_err()
        );
    }
}
