//! Storage that hosted code is given, with the real runtime and the real stores: it stays, and it is the tenant's alone.

use smcp_tests::node::{ADDER, Node};

const BINDINGS: &str = "[[kv]]\nbinding = \"NOTES\"\n[[objects]]\nbinding = \"FILES\"\n";

/// Counts in KV, keeps a line in an object, and says what is there.
const BODY: &str = "
  const seen = Number((await env.NOTES.get('count')) ?? 0) + 1;
  await env.NOTES.put('count', String(seen), { metadata: { by: 'test' } });
  const { metadata } = await env.NOTES.getWithMetadata('count');
  const before = await env.FILES.get('a/b');
  const text = before === null ? 'nothing' : await before.text();
  await env.FILES.put('a/b', 'line ' + seen, { customMetadata: { n: String(seen) } });
  const part = await (await env.FILES.get('a/b', { range: { offset: 5, length: 1 } })).text();
  const listed = (await env.FILES.list({ prefix: 'a/' })).objects.map((object) => object.key).join();
  const keys = (await env.NOTES.list()).keys.map((key) => key.name).join();
  const told = [seen, metadata.by, text, part, listed, keys].join('|');";

fn module() -> String {
    let module = ADDER.replace(
        "const { a, b } = params.arguments;",
        &format!("{BODY} return answer({{ content: [{{ type: 'text', text: told }}] }});"),
    );
    assert_ne!(module, ADDER);
    module
}

fn call(node: &Node, tenant: &str) -> String {
    node.cli(&node.admin, &["call", "keeper", "add", "--tenant", tenant]).to_string()
}

#[test]
fn what_hosted_code_stores_stays_and_survives_kill_9() {
    let mut node = Node::start();
    assert!(node.deploy("keeper", BINDINGS, &module()).status.success());
    assert!(call(&node, "demo").contains("1|test|nothing|1|a/b|count"));
    node.kill_and_restart();
    let second = call(&node, "demo");
    assert!(second.contains("2|test|line 1|2|a/b|count"), "{second}");
}
