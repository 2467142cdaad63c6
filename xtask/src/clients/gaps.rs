//! What cannot work for a reason outside of the platform: `tests/clients/gaps.toml`.

use std::fs;

use serde::Deserialize;

use super::cell::Cell;
use crate::drivers::{self, Era};
use crate::{Result, workspace};

/// The whole list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gaps {
    gap: Vec<Gap>,
}

/// Calls that fail, in the cells that it names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    /// None for all.
    clients: Option<Vec<String>>,
    /// None for all.
    servers: Option<Vec<String>>,
    /// None for both.
    era: Option<String>,
    calls: Vec<String>,
    /// Part of what is then said; any other failure is one.
    says: String,
    reason: String,
}

/// One call of a client at a server.
pub(super) struct Case<'a> {
    pub(super) client: &'a str,
    pub(super) era: Era,
    pub(super) server: &'a str,
    pub(super) call: &'a str,
}

impl Gaps {
    pub(super) fn read() -> Result<Self> {
        let path = workspace::root().join(drivers::FOLDER).join("gaps.toml");
        toml::from_str(&fs::read_to_string(path)?).map_err(|error| format!("gaps.toml: {error}").into())
    }

    /// What is then said, and the reason: of the first that fits.
    pub(super) fn of(&self, case: &Case<'_>) -> Option<(&str, &str)> {
        let gap = self.gap.iter().find(|gap| gap.fits(case))?;
        Some((&gap.says, &gap.reason))
    }

    /// Those that no cell has met: mistakes in the list.
    pub(super) fn unused(&self, cells: &[Cell]) -> Vec<String> {
        let met = |gap: &Gap| cells.iter().any(|cell| cell.gaps.contains(&gap.reason));
        let unused = self.gap.iter().filter(|gap| !met(gap));
        unused.map(|gap| format!("gaps.toml: nothing fails because {}", gap.reason)).collect()
    }
}

impl Gap {
    fn fits(&self, case: &Case<'_>) -> bool {
        let has = |names: &Option<Vec<String>>, name: &str| {
            names.as_ref().is_none_or(|names| names.iter().any(|known| known == name))
        };
        let era = match case.era {
            Era::Auto => "auto",
            Era::Legacy => "legacy",
        };
        has(&self.clients, case.client)
            && has(&self.servers, case.server)
            && self.era.as_ref().is_none_or(|wanted| wanted == era)
            && self.calls.iter().any(|call| call == case.call)
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Gaps};
    use crate::drivers::Era;

    #[test]
    fn the_first_gap_that_fits_is_the_reason() {
        let gaps: Gaps = toml::from_str(
            r#"
            [[gap]]
            clients = ["A"]
            calls = ["tell", "ask"]
            says = "cannot"
            reason = "A is mute"

            [[gap]]
            servers = ["x"]
            era = "legacy"
            calls = ["ask"]
            says = "nobody"
            reason = "x has no sessions"
            "#,
        )
        .unwrap();
        let of = |client, era, server, call| gaps.of(&Case { client, era, server, call }).map(|(_, why)| why);
        assert_eq!(of("A", Era::Legacy, "x", "ask"), Some("A is mute"));
        assert_eq!(of("B", Era::Legacy, "x", "ask"), Some("x has no sessions"));
        assert_eq!(of("B", Era::Auto, "x", "ask"), None);
        assert_eq!(of("B", Era::Legacy, "y", "ask"), None);
        assert_eq!(of("A", Era::Auto, "x", "add"), None);
    }
}
