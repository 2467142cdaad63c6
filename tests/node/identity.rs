//! The example that verifies who calls, with the real runtime: the key set is fetched in place, the signature holds.

use smcp_tests::node::Node;

#[test]
fn the_example_verifies_its_caller() {
    let node = Node::start();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/whoami");
    let deployed = node.try_cli(&node.admin, &["deploy", example, "--tenant", "demo"]);
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));
    let key = node.cli(&node.admin, &["keys", "list", "--tenant", "demo"])["items"][0]["id"].to_string();
    let answer = node.cli(&node.admin, &["call", "whoami", "whoami", "--tenant", "demo"]).to_string();
    assert!(answer.contains(key.trim_matches('"')), "its caller's id, {key}: {answer}");
    assert!(answer.contains("/t/demo/whoami") && answer.contains("admin"), "{answer}");
}
