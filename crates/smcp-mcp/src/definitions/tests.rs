//! Answers of servers, good and bad.

use super::*;
use serde_json::{json, value::RawValue};

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn initialized() -> Collector {
    Collector::from_initialize(&raw(&json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {"listChanged": true}, "resources": {}},
        "serverInfo": {"name": "notes", "version": "1"},
        "instructions": "Be brief.",
    })))
    .unwrap()
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}})
}

#[test]
fn a_legacy_server_is_collected_page_by_page() {
    let mut collector = initialized();
    let first = raw(&json!({"tools": [tool("add"), tool("sub")], "nextCursor": "2"}));
    assert_eq!(collector.add_page(ListKind::Tools, &first), Ok(Some("2".to_owned())));
    assert_eq!(collector.add_page(ListKind::Tools, &raw(&json!({"tools": [tool("mul")]}))), Ok(None));
    let resources = raw(&json!({"resources": [{"uri": "n:1", "name": "one"}], "nextCursor": null}));
    assert_eq!(collector.add_page(ListKind::Resources, &resources), Ok(None));
    let templates = raw(&json!({"resourceTemplates": [{"uriTemplate": "n:{id}/t", "name": "text"}]}));
    assert_eq!(collector.add_page(ListKind::ResourceTemplates, &templates), Ok(None));
    collector.also_speaks(Revision::V2025_11_25);
    collector.also_speaks(Revision::V2025_11_25);

    let definitions = collector.finish();
    assert_eq!(definitions.tool_names().collect::<Vec<_>>(), ["add", "sub", "mul"]);
    assert!(definitions.has_tool("mul") && !definitions.has_tool("div") && !definitions.has_prompt("add"));
    for (uri, known) in [("n:1", true), ("n:2/t", true), ("n:{id}/t", true), ("n:2", false)] {
        assert_eq!(definitions.has_resource(uri), known, "{uri}");
    }
    assert!(definitions.offers(ListKind::ResourceTemplates) && !definitions.offers(ListKind::Prompts));
    assert_eq!(definitions.revisions, [Revision::V2025_06_18, Revision::V2025_11_25]);
    assert_eq!(definitions.latest_of(Era::Legacy), Some(Revision::V2025_11_25));
    assert_eq!(definitions.latest_of(Era::Modern), None);
    assert_eq!(definitions.instructions.as_deref(), Some("Be brief."));

    let stored = serde_json::to_string(&definitions).unwrap();
    assert_eq!(serde_json::from_str::<Definitions>(&stored).unwrap(), definitions);
}

#[test]
fn a_modern_server_says_who_it_is_in_meta() {
    let result = json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "public",
        "supportedVersions": ["2026-07-28", "2099-01-01", "2025-11-25"],
        "capabilities": {},
        "_meta": {META: {"name": "n", "version": "2"}},
    });
    let definitions = Collector::from_discover(&raw(&result)).unwrap().finish();
    assert_eq!(definitions.revisions, [Revision::V2025_11_25, Revision::V2026_07_28]);
    assert_eq!(definitions.server_info["version"], "2");
    let silent = json!({"supportedVersions": ["2026-07-28"], "capabilities": {}});
    assert_eq!(Collector::from_discover(&raw(&silent)).unwrap().finish().server_info, Value::Null);
}

const META: &str = crate::META_SERVER_INFO;

#[test]
fn answers_that_start_wrong_are_refused() {
    let info = json!({"name": "n", "version": "1"});
    for (answer, text) in [
        (json!([]), "the answer to `initialize` is not what MCP demands: the result must be an object"),
        (json!({}), "the answer to `initialize` is not what MCP demands: `protocolVersion` must be a string"),
        (
            json!({"protocolVersion": "2024-10-07", "capabilities": {}, "serverInfo": info}),
            "the server speaks no known revision of MCP: [\"2024-10-07\"]",
        ),
        (
            json!({"protocolVersion": "2025-11-25", "capabilities": [], "serverInfo": info}),
            "the answer to `initialize` is not what MCP demands: `capabilities` must be an object",
        ),
        (
            json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
            "the answer to `initialize` is not what MCP demands: `serverInfo` must be an object",
        ),
        (
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": info, "instructions": 7}),
            "the answer to `initialize` is not what MCP demands: `instructions` must be a string",
        ),
    ] {
        let error = Collector::from_initialize(&raw(&answer)).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    for answer in [
        json!({"capabilities": {}}),
        json!({"supportedVersions": "2026-07-28", "capabilities": {}}),
        json!({"supportedVersions": [7], "capabilities": {}}),
        json!({"supportedVersions": ["2026-07-28"]}),
        json!({"supportedVersions": ["2026-07-28"], "capabilities": {}, "_meta": {META: "n"}}),
    ] {
        let error = Collector::from_discover(&raw(&answer)).unwrap_err();
        assert!(matches!(error, DefinitionsError::Schema { .. }), "{answer}: {error}");
    }
    let none = json!({"supportedVersions": ["2099-01-01"], "capabilities": {}});
    let error = Collector::from_discover(&raw(&none)).unwrap_err();
    assert_eq!(error, DefinitionsError::Revision(vec!["2099-01-01".to_owned()]));
}

#[test]
fn lists_that_break_a_rule_are_refused() {
    use ListKind::{Prompts, ResourceTemplates, Resources, Tools};
    for (kind, answer, rule) in [
        (Tools, json!({}), "`tools` must be an array"),
        (Tools, json!({"tools": [], "resultType": "input_required"}), "`resultType` must be \"complete\""),
        (Tools, json!({"tools": ["add"]}), "an item of `tools` is not an object"),
        (Tools, json!({"tools": [{"inputSchema": {}}]}), "an item of `tools` has no `name`"),
        (Tools, json!({"tools": [{"name": "", "inputSchema": {}}]}), "an item of `tools` has no `name`"),
        (Tools, json!({"tools": [{"name": "add"}]}), "\"add\" of `tools` has no `inputSchema`"),
        (Tools, json!({"tools": [], "nextCursor": 2}), "`nextCursor` must be a string"),
        (Prompts, json!({"prompts": [{"name": 7}]}), "an item of `prompts` has no `name`"),
        (Resources, json!({"resources": [{"name": "a"}]}), "an item of `resources` has no `uri`"),
        (Resources, json!({"resources": [{"uri": "a:b"}]}), "\"a:b\" of `resources` has no `name`"),
        (
            ResourceTemplates,
            json!({"resourceTemplates": [{"uri": "a:b", "name": "b"}]}),
            "an item of `resourceTemplates` has no `uriTemplate`",
        ),
    ] {
        let method = kind.method().to_string();
        let error = initialized().add_page(kind, &raw(&answer)).unwrap_err();
        assert_eq!(error, DefinitionsError::Schema { method, rule: rule.to_owned() });
    }
    let twice: Box<RawValue> = serde_json::from_str(r#"{"tools":[{"name":"a","name":"b"}]}"#).unwrap();
    let error = initialized().add_page(Tools, &twice).unwrap_err();
    assert!(error.to_string().contains("\"name\" appears twice"), "{error}");
}

#[test]
fn names_are_unique_over_pages_and_the_bounds_hold() {
    let mut collector = initialized();
    let page = |names: std::ops::Range<usize>| {
        raw(&json!({"tools": names.map(|n| tool(&format!("t{n}"))).collect::<Vec<_>>()}))
    };
    assert_eq!(collector.add_page(ListKind::Tools, &page(0..999)), Ok(None));
    let repeated = collector.clone().add_page(ListKind::Tools, &page(998..999)).unwrap_err();
    assert_eq!(repeated.to_string(), "the answers to `tools/list` have \"t998\" twice");
    let too_many = collector.clone().add_page(ListKind::Tools, &page(999..1001)).unwrap_err();
    assert!(matches!(too_many, DefinitionsError::TooMany { .. }));
    assert_eq!(collector.add_page(ListKind::Prompts, &raw(&json!({"prompts": [{"name": "t1"}]}))), Ok(None));

    let large = |name: &str| raw(&json!({"prompts": [{"name": name, "description": "x".repeat(3 << 20)}]}));
    let mut collector = initialized();
    assert_eq!(collector.add_page(ListKind::Prompts, &large("a")), Ok(None));
    assert_eq!(collector.add_page(ListKind::Prompts, &large("b")), Err(DefinitionsError::TooLarge));
}
