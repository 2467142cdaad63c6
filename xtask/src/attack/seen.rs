//! What one attempt led to, and what all of them come to.

use super::case::{Case, Variant};
use super::neighbour::Figures;
use crate::report::{Columns, milliseconds};

/// What an attempt led to.
#[derive(Clone, Debug)]
pub(super) enum Seen {
    Succeeded(String),
    Refused(String),
    /// The kernel of this machine lacks what is attacked, or allows it to nobody.
    Impossible(String),
    /// The attempt was not made: a mistake of the suite, or something is missing here.
    Broken(String),
}

/// Most controls that the kernel of the machine itself may block.
const MOST_IMPOSSIBLE: usize = 5;

/// Everything that was seen.
#[derive(Default)]
pub(super) struct Tally {
    attempts: usize,
    succeeded: usize,
    controls: usize,
    controls_succeeded: usize,
    impossible: Vec<String>,
    failures: Vec<String>,
    rows: Vec<[String; 7]>,
}

/// One case's part of it.
pub(super) struct Part<'a> {
    case: &'a Case,
    attempts: usize,
    controls: usize,
    seen: Vec<String>,
    failures: Vec<String>,
    impossible: Vec<String>,
    succeeded: usize,
    controls_succeeded: usize,
}

impl<'a> Part<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        Self {
            case,
            attempts: 0,
            controls: 0,
            seen: Vec::new(),
            failures: Vec::new(),
            impossible: Vec::new(),
            succeeded: 0,
            controls_succeeded: 0,
        }
    }

    /// Takes in what one attempt led to.
    pub(super) fn add(&mut self, row: &str, variant: &Variant, seen: &Seen) {
        let place = format!("{} {row}, {}", self.case.name, variant.shown());
        if let Seen::Broken(why) = seen {
            return self.failures.push(format!("{place}: NOT TRIED: {why}"));
        }
        if variant.is_control() {
            return self.add_control(&place, seen);
        }
        self.attempts += 1;
        match seen {
            Seen::Succeeded(what) => {
                self.succeeded += 1;
                self.failures.push(format!("{place}: SUCCEEDED: {what}"));
            }
            Seen::Refused(error) if variant.without.is_empty() => self.compare(&place, error),
            Seen::Refused(_) | Seen::Impossible(_) | Seen::Broken(_) => {}
        }
    }

    /// Takes in the same once more, which is no further attempt unless it went otherwise.
    pub(super) fn repeated(&mut self, again: Self) {
        self.succeeded += again.succeeded;
        let new = |failure: &String| !self.failures.contains(failure);
        let news: Vec<_> = again.failures.into_iter().filter(new).collect();
        self.failures.extend(news);
    }

    fn add_control(&mut self, place: &str, seen: &Seen) {
        self.controls += 1;
        match seen {
            Seen::Succeeded(_) => self.controls_succeeded += 1,
            Seen::Impossible(why) => self.impossible.push(format!("{place}: control not possible: {why}")),
            Seen::Refused(error) | Seen::Broken(error) => self.failures.push(format!(
                "{place}: the control failed ({error}): something that the case does not name stops it"
            )),
        }
    }

    /// With every layer on it must look as the case says.
    fn compare(&mut self, place: &str, error: &str) {
        let word = error
            .trim_start_matches("the hosted server failed: ")
            .split(" after ")
            .next()
            .unwrap_or_default()
            .to_owned();
        let expected = &self.case.refused;
        if !expected.is_empty() && !expected.iter().any(|known| error.starts_with(known.as_str())) {
            self.failures.push(format!("{place}: seen `{error}`, expected one of {}", expected.join(", ")));
        }
        let short: String = word.chars().take(36).collect();
        let short = short.trim_end().to_owned();
        if !self.seen.contains(&short) {
            self.seen.push(short);
        }
    }
}

impl Tally {
    /// Takes in a case, with the neighbour's figures beside it.
    pub(super) fn add(&mut self, part: Part<'_>, neighbour: Option<&[Figures; 2]>) {
        let mut failures = part.failures;
        if let Some([quiet, meanwhile]) = neighbour {
            failures.extend(meanwhile.complaint(quiet).map(|text| format!("{}: {text}", part.case.name)));
        }
        let verdict = if failures.is_empty() { "held" } else { "FAILED" };
        let figures = neighbour.map_or(["-".to_owned(), "-".to_owned()], |figures| {
            [&figures[1], &figures[0]].map(|figures| milliseconds(figures.p99()))
        });
        let [during, quiet] = figures;
        println!("{:32} {verdict:6} {}", part.case.name, part.seen.join(", "));
        if !failures.is_empty() {
            println!("    it {}; expected: {}", part.case.tries, part.case.observed);
        }
        failures.iter().for_each(|failure| println!("    {failure}"));
        part.impossible.iter().for_each(|line| println!("    {line}"));
        self.rows.push([
            part.case.name.clone(),
            part.attempts.to_string(),
            part.controls.to_string(),
            part.case.layers.join(", "),
            format!("{verdict}: {}", part.seen.join(", ")),
            during,
            quiet,
        ]);
        self.attempts += part.attempts;
        self.succeeded += part.succeeded;
        self.controls += part.controls;
        self.controls_succeeded += part.controls_succeeded;
        self.impossible.extend(part.impossible);
        self.failures.extend(failures);
    }

    /// Something that could not be tried here, said aloud and counted as a failure.
    pub(super) fn cannot(&mut self, what: String) {
        println!("{what}");
        self.failures.push(what);
    }

    /// Prints the table and the closing lines; whether all is well.
    pub(super) fn close(mut self, neighbour: &str) -> bool {
        if self.impossible.len() > MOST_IMPOSSIBLE {
            let count = self.impossible.len();
            self.failures
                .push(format!("{count} controls are not possible here; at most {MOST_IMPOSSIBLE} may be"));
        }
        let mut table =
            Columns::new(&["case", "attempts>", "controls>", "stopped by", "result", "p99>", "quiet>"]);
        self.rows.iter().for_each(|row| table.row(row));
        println!();
        table.print();
        println!();
        self.failures.iter().for_each(|failure| println!("FAILED {failure}"));
        self.impossible.iter().for_each(|line| println!("{line}"));
        println!("{neighbour}");
        println!(
            "cases {}, held {}",
            self.rows.len(),
            self.rows.iter().filter(|row| row[4].starts_with("held")).count()
        );
        println!(
            "controls {}, succeeded {} (control not possible: {})",
            self.controls,
            self.controls_succeeded,
            self.impossible.len()
        );
        println!("attempts {}, succeeded {}", self.attempts, self.succeeded);
        self.failures.is_empty() && self.attempts > 0
    }
}
