//! Every crate has a layer, and depends only on crates of lower layers.

use serde_json::Value;

use super::{Checked, Finding};
use crate::workspace::{Dependency, Metadata, Package};

const RULE: &str = "layers";
/// Test code of any crate may use it; the arrow is not part of the product.
const TESTKIT: &str = "smcp-testkit";

/// Where a crate stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Part of the product: 0 is the bottom.
    Product(u64),
    /// A developer's tool, on top of everything; nothing stands on it.
    Tool,
    /// End-to-end tests; likewise.
    Tests,
}

pub(super) fn check(metadata: &Metadata) -> Checked {
    let crates: Vec<_> = metadata.crates().collect();
    let mut findings = Vec::new();
    for package in &crates {
        match layer(package) {
            Some(from) => findings.extend(arrows(package, from, &crates)),
            None => findings.push(Finding::new(
                RULE,
                &package.name,
                "no `[package.metadata.smcp] layer = N | \"tool\" | \"tests\"`",
            )),
        }
    }
    Checked::new("layers", crates.len(), findings)
}

fn layer(package: &Package) -> Option<Layer> {
    match package.metadata.as_ref()?.pointer("/smcp/layer")? {
        Value::Number(number) => number.as_u64().map(Layer::Product),
        Value::String(word) if word == "tool" => Some(Layer::Tool),
        Value::String(word) if word == "tests" => Some(Layer::Tests),
        _ => None,
    }
}

fn arrows(package: &Package, from: Layer, crates: &[&Package]) -> Vec<Finding> {
    let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    ours.filter(|dependency| !is_exempt(dependency))
        .filter_map(|dependency| {
            let target = crates.iter().find(|other| other.name == dependency.name)?;
            let to = layer(target)?;
            let message = format!("{} must not depend on {} ({})", shown(from), target.name, shown(to));
            (!may_see(from, to)).then(|| Finding::new(RULE, &package.name, message))
        })
        .collect()
}

fn is_exempt(dependency: &Dependency) -> bool {
    dependency.kind.as_deref() == Some("dev") && dependency.name == TESTKIT
}

fn may_see(from: Layer, to: Layer) -> bool {
    match (from, to) {
        (Layer::Product(from), Layer::Product(to)) => to < from,
        (Layer::Tool | Layer::Tests, Layer::Product(_)) => true,
        (_, Layer::Tool | Layer::Tests) => false,
    }
}

fn shown(layer: Layer) -> String {
    match layer {
        Layer::Product(number) => format!("layer {number}"),
        Layer::Tool => "a tool".to_owned(),
        Layer::Tests => "tests".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check;
    use crate::workspace::Metadata;

    fn package(name: &str, layer: Value, dependencies: &[(&str, Value)]) -> Value {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|(name, kind)| json!({"name": name, "kind": kind, "path": "/x"}))
            .collect();
        json!({"id": name, "name": name, "version": "0.1.0", "source": null, "license": "MIT",
               "dependencies": dependencies, "metadata": {"smcp": {"layer": layer}}})
    }

    fn messages(packages: Vec<Value>) -> Vec<String> {
        let members: Vec<_> = packages.iter().map(|package| package["id"].clone()).collect();
        let metadata: Metadata = serde_json::from_value(
            json!({"packages": packages, "workspace_members": members, "target_directory": "target"}),
        )
        .unwrap();
        check(&metadata)
            .findings
            .into_iter()
            .map(|found| format!("{}: {}", found.place, found.message))
            .collect()
    }

    #[test]
    fn arrows_down_are_fine() {
        let packages = vec![
            package("a", json!(0), &[]),
            package("b", json!(1), &[("a", Value::Null), ("smcp-testkit", json!("dev"))]),
            package("smcp-testkit", json!(3), &[("b", Value::Null)]),
            package("end", json!("tests"), &[("a", Value::Null), ("smcp-testkit", Value::Null)]),
        ];
        assert_eq!(messages(packages), [""; 0]);
    }

    #[test]
    fn upward_and_sideways_are_not() {
        let packages = vec![
            package("a", json!(0), &[("b", Value::Null)]),
            package("b", json!(3), &[("c", json!("build"))]),
            package("c", json!(3), &[("xtask", json!("dev"))]),
            package("smcp-testkit", json!(3), &[]),
            package("d", json!(2), &[("smcp-testkit", Value::Null)]),
            package("xtask", json!("tool"), &[]),
        ];
        assert_eq!(
            messages(packages),
            [
                "a: layer 0 must not depend on b (layer 3)",
                "b: layer 3 must not depend on c (layer 3)",
                "c: layer 3 must not depend on xtask (a tool)",
                "d: layer 2 must not depend on smcp-testkit (layer 3)",
            ]
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        for wrong in [Value::Null, json!("top"), json!(-1)] {
            assert_eq!(messages(vec![package("a", wrong, &[])]).len(), 1);
        }
    }
}
