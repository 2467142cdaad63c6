//! What we depend on, held against `deny.toml`: licences, banned packages, sources. The file is cargo-deny's own.

use serde::Deserialize;
use spdx::{Expression, Licensee, ParseMode};

use super::{Checked, Finding};
use crate::Result;
use crate::workspace::{Metadata, Package};

/// Where cargo says a package of the public registry comes from.
const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<LicenseException>,
}

/// Further licences for one package.
#[derive(Deserialize)]
struct LicenseException {
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    package: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    unknown_registry: Answer,
    unknown_git: Answer,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Deny,
    Allow,
}

pub(super) fn check(metadata: &Metadata, deny: &str) -> Result<Vec<Checked>> {
    let rules: Rules = toml::from_str(deny).map_err(|error| format!("deny.toml: {error}"))?;
    let used: Vec<_> = metadata.packages.iter().collect();
    let foreign: Vec<_> = used.iter().copied().filter(|package| package.source.is_some()).collect();
    Ok(vec![
        Checked::new("licences", used.len(), licences(&rules.licenses, &used)?),
        Checked::new("banned packages", rules.bans.deny.len(), bans(&rules.bans, &used)),
        Checked::new("package sources", foreign.len(), sources(&rules.sources, &foreign)),
    ])
}

fn licences(rules: &Licenses, packages: &[&Package]) -> Result<Vec<Finding>> {
    let allowed = licensees(&rules.allow)?;
    let mut findings = Vec::new();
    for package in packages {
        let mut accepted = allowed.clone();
        for exception in rules.exceptions.iter().filter(|exception| exception.package == package.name) {
            accepted.extend(licensees(&exception.allow)?);
        }
        if let Err(message) = licence(package.license.as_deref(), &accepted) {
            findings.push(Finding::new("licences", shown(package), message));
        }
    }
    let unused =
        rules.exceptions.iter().filter(|rule| packages.iter().all(|package| package.name != rule.package));
    findings.extend(unused.map(|rule| {
        Finding::new("licences", "deny.toml", format!("exception for `{}`, which is not used", rule.package))
    }));
    Ok(findings)
}

fn licensees(names: &[String]) -> Result<Vec<Licensee>> {
    let parse =
        |name: &String| Licensee::parse(name).map_err(|error| format!("deny.toml: `{name}`: {error}").into());
    names.iter().map(parse).collect()
}

fn licence(expression: Option<&str>, allowed: &[Licensee]) -> std::result::Result<(), String> {
    let text = expression.ok_or("no licence in its manifest")?;
    let parsed =
        Expression::parse_mode(text, ParseMode::LAX).map_err(|error| format!("`{text}`: {error}"))?;
    let accepted = parsed.evaluate(|required| allowed.iter().any(|licensee| licensee.satisfies(required)));
    if accepted { Ok(()) } else { Err(format!("licence `{text}` is not allowed by deny.toml")) }
}

fn bans(rules: &Bans, packages: &[&Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in &rules.deny {
        let used = packages.iter().filter(|package| package.name == ban.package);
        findings.extend(used.map(|package| Finding::new("bans", shown(package), ban.reason.as_str())));
        if ban.reason.trim().is_empty() {
            findings.push(Finding::new(
                "bans",
                "deny.toml",
                format!("no reason for banning `{}`", ban.package),
            ));
        }
    }
    findings
}

fn sources(rules: &Sources, packages: &[&Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let from = package.source.as_deref().unwrap_or_default();
        let answer = if from.starts_with("git+") { rules.unknown_git } else { rules.unknown_registry };
        if from != PUBLIC_REGISTRY && answer == Answer::Deny {
            findings.push(Finding::new("sources", shown(package), format!("comes from {from}")));
        }
    }
    findings
}

fn shown(package: &Package) -> String {
    format!("{} {}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{PUBLIC_REGISTRY, check};
    use crate::workspace::Metadata;

    const DENY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        exceptions = [{ crate = "roots", allow = ["CDLA-Permissive-2.0"] }]
        [bans]
        deny = [{ crate = "openssl-sys", reason = "rustls only" }]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
    "#;

    fn findings(packages: &[(&str, Option<&str>, Option<&str>)]) -> Vec<String> {
        let package = |(name, license, source): &(&str, Option<&str>, Option<&str>)| -> Value {
            json!({"id": name, "name": name, "version": "1.0.0", "source": source, "license": license,
                   "dependencies": [], "metadata": null})
        };
        let mut packages: Vec<_> = packages.iter().map(package).collect();
        packages.push(package(&("roots", Some("CDLA-Permissive-2.0"), Some(PUBLIC_REGISTRY))));
        let value = json!({"packages": packages, "workspace_members": [], "target_directory": "target"});
        let metadata: Metadata = serde_json::from_value(value).unwrap();
        let checked = check(&metadata, DENY).unwrap();
        checked
            .into_iter()
            .flat_map(|check| check.findings)
            .map(|found| format!("{}: {}", found.rule, found.place))
            .collect()
    }

    fn licence(expression: Option<&str>) -> usize {
        findings(&[("a", expression, Some(PUBLIC_REGISTRY))]).len()
    }

    #[test]
    fn licence_expressions_are_evaluated() {
        for fine in [
            "MIT",
            "GPL-3.0-only OR MIT",
            "MIT AND Apache-2.0",
            "MIT/Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(licence(Some(fine)), 0, "{fine}");
        }
        for wrong in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "CDLA-Permissive-2.0", "no licence at all"] {
            assert_eq!(licence(Some(wrong)), 1, "{wrong}");
        }
        assert_eq!(licence(None), 1, "a package without a licence");
    }

    #[test]
    fn an_exception_for_an_unused_package_is_found() {
        let value = json!({"packages": [], "workspace_members": [], "target_directory": "target"});
        let checked = check(&serde_json::from_value(value).unwrap(), DENY).unwrap();
        assert_eq!(checked[0].findings.len(), 1);
    }

    #[test]
    fn banned_packages_are_found() {
        assert_eq!(
            findings(&[("openssl-sys", Some("MIT"), Some(PUBLIC_REGISTRY))]),
            ["bans: openssl-sys 1.0.0"]
        );
    }

    #[test]
    fn packages_come_from_the_public_registry_or_from_here() {
        assert_eq!(findings(&[("ours", Some("MIT"), None)]), [""; 0]);
        for stranger in
            ["git+https://example.org/a", "registry+https://example.org/index", "sparse+https://example.org/"]
        {
            assert_eq!(findings(&[("a", Some("MIT"), Some(stranger))]), ["sources: a 1.0.0"], "{stranger}");
        }
    }
}
