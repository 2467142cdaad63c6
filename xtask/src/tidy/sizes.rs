//! How long files and functions may be, and how much a signature may ask for.

use super::source::{Function, Source};
use super::{Checked, Finding};

const FILE_TARGET: usize = 300;
const FILE_LIMIT: usize = 500;
const FUNCTION_TARGET: usize = 40;
const FUNCTION_LIMIT: usize = 80;
const PARAMETER_LIMIT: usize = 6;
const BOOL_LIMIT: usize = 1;

/// Files, counted without their tests.
pub(super) fn files(sources: &[Source]) -> Checked {
    let product: Vec<_> = sources.iter().filter(|source| !source.is_test()).collect();
    let findings = product.iter().filter_map(|source| {
        let lines = source.product_lines();
        let message = format!("{lines} lines without tests; the limit is {FILE_LIMIT}");
        over("file-lines", source.path.clone(), lines, FILE_LIMIT, message)
    });
    let mut checked = Checked::new("file sizes", product.len(), findings.collect());
    checked.note = note(product.iter().map(|source| source.product_lines()), FILE_TARGET);
    checked
}

/// Functions and their signatures.
pub(super) fn functions(sources: &[Source]) -> Checked {
    let all =
        || sources.iter().flat_map(|source| source.functions.iter().map(move |function| (source, function)));
    let findings = all().flat_map(|(source, function)| judge(&source.path, function));
    let mut checked = Checked::new("function sizes", all().count(), findings.collect());
    checked.note = note(all().map(|(_, function)| function.lines), FUNCTION_TARGET);
    checked
}

fn judge(path: &str, function: &Function) -> Vec<Finding> {
    let place = || format!("{path}::{}", function.name);
    let &Function { lines, parameters, bools, .. } = function;
    let told = [
        ("function-lines", lines, FUNCTION_LIMIT, format!("{lines} lines; the limit is {FUNCTION_LIMIT}")),
        (
            "parameters",
            parameters,
            PARAMETER_LIMIT,
            format!("{parameters} parameters; the limit is {PARAMETER_LIMIT}"),
        ),
        (
            "bools",
            bools,
            BOOL_LIMIT,
            format!("{bools} bools in one signature: callers cannot tell them apart"),
        ),
    ];
    told.into_iter()
        .filter_map(|(rule, size, limit, message)| over(rule, place(), size, limit, message))
        .collect()
}

fn over(rule: &'static str, place: String, size: usize, limit: usize, message: String) -> Option<Finding> {
    (size > limit).then_some(Finding { rule, place, size: Some(size), message })
}

fn note(sizes: impl Iterator<Item = usize>, target: usize) -> String {
    let mut sizes: Vec<_> = sizes.collect();
    sizes.sort_unstable();
    let at = |percent: usize| sizes.get(sizes.len() * percent / 100).copied().unwrap_or_default();
    let over = sizes.iter().filter(|size| **size > target).count();
    let longest = sizes.last().copied().unwrap_or_default();
    format!("median {}, p95 {}, longest {longest}; {over} over the target of {target}", at(50), at(95))
}

#[cfg(test)]
mod tests {
    use super::{files, functions, note};
    use crate::tidy::source::Source;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    fn rules(text: &str) -> Vec<(&'static str, String, Option<usize>)> {
        let findings = functions(&[source("a.rs", text)]).findings;
        findings.into_iter().map(|found| (found.rule, found.place, found.size)).collect()
    }

    #[test]
    fn a_file_is_as_long_as_its_product_code() {
        let product = "// line\n".repeat(500);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// line\n".repeat(300));
        assert!(files(&[source("a.rs", &format!("{product}{tests}"))]).findings.is_empty());
        assert!(files(&[source("crates/a/tests/b.rs", &product.repeat(2))]).findings.is_empty());
        let found = files(&[source("a.rs", &format!("{product}// one more\n{tests}"))]).findings;
        assert_eq!((found.len(), found[0].size), (1, Some(501)));
    }

    #[test]
    fn a_long_function_is_found() {
        let body = |lines: usize| format!("fn f() {{\n{}}}\n", "    g(\"}\");\n".repeat(lines));
        assert!(rules(&body(78)).is_empty());
        assert_eq!(rules(&body(79)), [("function-lines", "a.rs::f".to_owned(), Some(81))]);
    }

    #[test]
    fn a_greedy_signature_is_found() {
        assert!(rules("fn f(a: A, b: B, c: C, d: D, e: E, f: bool) {}").is_empty());
        let greedy = "impl S { fn f(&self, a: A, b: B, c: C, d: D, e: E, f: F) {} }";
        assert_eq!(rules(greedy), [("parameters", "a.rs::f".to_owned(), Some(7))]);
        assert_eq!(rules("fn f(a: bool, b: u8, c: bool) {}"), [("bools", "a.rs::f".to_owned(), Some(2))]);
    }

    #[test]
    fn the_note_shows_the_tail() {
        assert_eq!(note([1, 2, 50].into_iter(), 40), "median 2, p95 50, longest 50; 1 over the target of 40");
        assert_eq!(note([].into_iter(), 40), "median 0, p95 0, longest 0; 0 over the target of 40");
    }
}
