//! Limits, from the call that breaks one to the administrator who lifts the quarantine.

use smcp_tests::node::{ADDER, Node};

#[test]
fn who_breaks_a_limit_is_told_which_and_kept_out_until_that_is_lifted() {
    let node = Node::start();
    let module = ADDER.replace("const { a, b }", "if (params.arguments.loop) for (;;); const { a, b }");
    let manifest = "[limits]\ncpu_ms = 100\n[vars]\nWORD = \"w\"\n";
    assert!(node.deploy("adder", manifest, &module).status.success());
    let call = |argument| {
        let output =
            node.try_cli(&node.admin, &["call", "adder", "add", "--arg", argument, "--tenant", "demo"]);
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    };
    let told = call("loop=true");
    let why = "used more than 100 ms of CPU without an answer (limits.cpu_ms)";
    assert!(told.contains("the server's process ended during the call") && told.contains(why), "{told}");
    let state = || node.cli(&node.admin, &["servers", "show", "adder", "--tenant", "demo"]);
    assert_eq!(state()["state"], "failing");
    // In between it backs off, and refuses.
    let quarantined = (0..500).any(|_| {
        call("loop=true");
        state()["state"] == "quarantined"
    });
    assert!(quarantined, "{}", state());
    assert_eq!(state()["offences"], 3);
    let told = call("a=1");
    assert!(told.contains("the server is in quarantine") && told.contains("smcp servers lift"), "{told}");
    node.cli(&node.root, &["servers", "lift", "adder", "--tenant", "demo"]);
    assert_eq!(state()["state"], "asleep");
    assert!(call("a=1").contains("w NaN"));
    // Three that broke a limit, the last one, and the trial of the deploy.
    let usage = node.cli(&node.admin, &["usage", "--tenant", "demo"]);
    assert_eq!(
        (&usage["total"]["limit_kills"], &usage["total"]["starts"]),
        (&3.into(), &5.into()),
        "{usage}"
    );
    assert!(usage["total"]["cpu_exact_ms"].as_f64().unwrap() >= 300.0, "{usage}");
}
