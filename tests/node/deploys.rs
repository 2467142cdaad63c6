//! Deploys with a real workerd: what is accepted, what is refused and with which words.

use serde_json::{Value, json};
use smcp_tests::node::{ADDER, Node};

fn refused(node: &Node, name: &str, manifest: &str, module: &str) -> (Option<i32>, String) {
    let output = node.deploy(name, manifest, module);
    assert!(output.stdout.is_empty(), "stdout is data, and there is none");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn deploy_call_change_and_go_back() {
    let node = Node::start();
    let call = |a: i64, b: i64| {
        let (a, b) = (format!("a={a}"), format!("b={b}"));
        let words = ["call", "adder", "add", "--arg", &a, "--arg", &b, "--tenant", "demo"];
        let answer = node.cli(&node.admin, &words);
        answer["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let deployed = |word: &str| -> Value {
        let output = node.deploy("adder", &format!("[vars]\nWORD = \"{word}\"\n"), ADDER);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let first = deployed("one");
    assert_eq!((first["tools"].clone(), first["known"].clone()), (json!(["add"]), json!(false)));
    assert_eq!(call(2, 40), "one 42");
    let second = deployed("two");
    assert_ne!(first["version"], second["version"]);
    assert_eq!(call(-1, 1), "two 0");
    node.cli(&node.admin, &["versions", "activate", "adder", "previous", "--tenant", "demo"]);
    assert_eq!(call(1, 1), "one 2");
    assert_eq!(deployed("two")["known"], json!(true), "the same content is the same version");
    assert_eq!(call(1, 2), "two 3");
    let logs = node.cli(&node.admin, &["logs", "adder", "--tenant", "demo"]).to_string();
    assert!(logs.contains("method tools/call") && logs.contains("request_id"), "{logs}");
}

#[test]
fn versions_that_do_not_work_are_refused_with_their_own_words() {
    let node = Node::start();
    for (name, module, why, own_words) in [
        ("throws", "console.log('before'); throw new Error('out of cheese');", "", "out of cheese"),
        ("broken", "export default {", "", "SyntaxError"),
        ("hangs", "console.log('about to hang'); for (;;);", "5000 ms", "about to hang"),
        (
            "silent",
            "export default { fetch() { return new Promise(() => setTimeout(() => {}, 1e9)); } };",
            "",
            "",
        ),
        (
            "website",
            "export default { fetch() { console.warn('a page'); return new Response('hi'); } };",
            "no MCP",
            "a page",
        ),
        ("nothing", "export const x = () => 1;", "default", ""),
    ] {
        let (code, talk) = refused(&node, name, "", module);
        assert_eq!(code, Some(1), "{name}: {talk}");
        assert!(talk.contains(why) && talk.contains(own_words), "{name}: {talk}");
        let call = node.try_cli(&node.admin, &["call", name, "x", "--tenant", "demo"]);
        assert!(!call.status.success(), "{name} must not be callable");
    }
    let versions = node.cli(&node.admin, &["versions", "list", "throws", "--tenant", "demo"]);
    assert_eq!(versions["items"], json!([]), "what was refused is not stored");
}

#[test]
fn sections_that_nothing_enforces_yet_are_refused_by_name() {
    let node = Node::start();
    for (section, name) in [
        ("[[durable_objects]]\nbinding = \"ROOM\"\nclass = \"Room\"\n", "Room"),
        ("[secrets]\nplain = [\"a key\"]\n", "secrets"),
        ("[limits]\nmemory_mb = 1\n", "memory_mb"),
        ("[triggers]\ncrons = [\"* * * *\"]\n", "triggers"),
        ("compatability_flags = []\n", "compatibility_flags"),
    ] {
        let (code, talk) = refused(&node, "later", section, ADDER);
        assert_eq!(code, Some(1));
        assert!(talk.contains(name), "{talk}");
    }
}

#[test]
fn hosted_code_has_no_network() {
    let node = Node::start();
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        "const { a, b } = params.arguments; const out = await fetch('http://127.0.0.1:1/');
         return answer({ content: [{ type: 'text', text: out.status + ' ' + await out.text() }] });",
    );
    assert!(node.deploy("caller", "", &module).status.success());
    let answer = node.cli(&node.admin, &["call", "caller", "add", "--tenant", "demo"]).to_string();
    assert!(answer.contains("403") && answer.contains("egress.allow"), "{answer}");
}

/// Arguments are checked before the server is woken; a schema that cannot be checked against is no deploy.
#[test]
fn arguments_that_do_not_fit_wake_nobody() {
    let node = Node::start();
    let manifest = "validate = \"arguments\"\n[vars]\nWORD = \"sum\"\n";
    for (schema, told) in [
        (r#"{ "$ref": "https://example.com/a.json" }"#, "the inputSchema of tool \"add\" has a `$ref` at #"),
        (r#"{ type: "object", properties: { a: { pattern: "^(?=x)" } } }"#, "without look-around"),
        (
            r##"{ type: "object", properties: { a: { $ref: "#/properties/a" } } }"##,
            "refers to itself without end",
        ),
    ] {
        let module = ADDER.replace("inputSchema: {", &format!("inputSchema: true ? {schema} : {{"));
        let (code, talk) = refused(&node, "adder", manifest, &module);
        assert_eq!(code, Some(1), "{talk}");
        let talk = talk.replace("\\\"", "\"");
        assert!(talk.contains(told) && talk.contains("leave `validate` out of smcp.toml"), "{talk}");
    }
    let dynamic = |manifest: &str| refused(&node, "adder", manifest, ADDER);
    let (code, talk) = dynamic(&format!("definitions = \"dynamic\"\n{manifest}"));
    let talk = talk.replace("\\\"", "\"");
    assert!(code == Some(1) && talk.contains("`validate` needs `definitions = \"pinned\"`"), "{talk}");
    let bounded = ADDER.replace("b: { type: \"number\" }", "b: { type: \"number\", maximum: 10 }");
    assert!(node.deploy("adder", manifest, &bounded).status.success());
    let call = |b: &str| {
        let output = node
            .try_cli(&node.admin, &["call", "adder", "add", "--arg", "a=1", "--arg", b, "--tenant", "demo"]);
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    assert!(call("b=2").contains("sum 3"));
    let told = call("b=11");
    assert!(told.contains("/b") && told.contains("is too large: the bound is 10 (maximum)"), "{told}");
    let logs = node.cli(&node.admin, &["logs", "adder", "--tenant", "demo"]).to_string();
    // The trial of the deploy does not call it.
    assert_eq!(logs.matches("method tools/call").count(), 1, "{logs}");
}

#[test]
fn times_that_nobody_hears_are_warned_of() {
    let node = Node::start();
    let manifest = "[triggers]\ncrons = [\"0 0 1 1 *\"]\n";
    let deaf = node.deploy("deaf", manifest, ADDER);
    let talk = String::from_utf8_lossy(&deaf.stdout) + String::from_utf8_lossy(&deaf.stderr);
    assert!(deaf.status.success() && talk.contains("exports no `scheduled` handler"), "{talk}");
    let hearing =
        ADDER.replace("export default {", "export default {\n  async scheduled() { console.log('rang'); },");
    let heard = node.deploy("hearing", manifest, &hearing);
    let talk = String::from_utf8_lossy(&heard.stdout) + String::from_utf8_lossy(&heard.stderr);
    assert!(heard.status.success() && !talk.contains("scheduled"), "{talk}");
    let logs = node.cli(&node.admin, &["logs", "hearing", "--tenant", "demo"]).to_string();
    assert!(!logs.contains("rang"), "asking rings nothing: {logs}");
}
