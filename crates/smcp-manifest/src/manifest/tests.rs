//! Manifests, good and bad, with the words each mistake gets.

use smcp_types::Limit;

use super::*;
use crate::LockedManifest;

const MINIMAL: &str =
    "manifest = 1\nname = \"notes\"\nmain = \"src/index.ts\"\ncompatibility_date = \"2026-11-01\"\n";

fn mistakes(text: &str) -> Vec<String> {
    match Manifest::parse(text) {
        Ok(manifest) => panic!("{manifest:?}"),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn defaults_are_filled_in() {
    let manifest = Manifest::parse(MINIMAL).unwrap();
    assert_eq!(manifest.main, "src/index.ts");
    assert!(manifest.bundle, "TypeScript is bundled");
    assert_eq!(manifest.endpoint, "/mcp");
    assert_eq!(manifest.definitions, DefinitionsMode::Pinned);
    assert!(manifest.limits.is_empty() && manifest.sandbox == SandboxClass::Standard);
    assert!(manifest.vars.is_empty() && manifest.compatibility_flags.is_empty());
    let ready = Manifest::parse(&MINIMAL.replace("src/index.ts", "./src/index.mjs")).unwrap();
    assert!(!ready.bundle && ready.main == "src/index.mjs");
}

#[test]
fn everything_can_be_said() {
    let manifest = Manifest::parse(
        r#"
manifest = 1
name = "units"
main = "smcp-units.js"
bundle = true
endpoint = "/"
compatibility_date = "2026-11-01"
compatibility_flags = ["nodejs_compat", "a_flag"]
definitions = "dynamic"
sandbox = "hardened"
kv = []
[vars]
CURRENCY = "EUR"
"$a" = ""
[limits]
call_timeout_ms = 300_000
memory_mb = 256
[egress]
allow = []
[triggers]
"#,
    )
    .unwrap();
    assert!(manifest.bundle && manifest.endpoint == "/" && manifest.definitions == DefinitionsMode::Dynamic);
    assert_eq!(
        manifest.compatibility_flags,
        ["a_flag", "nodejs_compat"],
        "sorted: their order means nothing"
    );
    assert_eq!(
        manifest.vars.into_iter().collect::<Vec<_>>(),
        [("$a".to_owned(), String::new()), ("CURRENCY".to_owned(), "EUR".to_owned())]
    );
    assert_eq!(manifest.limits.get(Limit::CallTimeout), Some(300_000));
    assert_eq!(manifest.limits.get(Limit::Memory), Some(256));
    assert_eq!(manifest.sandbox, SandboxClass::Hardened);
}

#[test]
fn all_mistakes_are_told_together() {
    let text = r#"manifest = 2
name = "My Notes"
main = "../index.ts"
compatability_date = 2026-11-01
compatibility_flags = ["nodejs_compat", "No", "nodejs_compat"]
definitions = "pined"

[vars]
PORT = 8080
DEBUG = true
"$1" = 1
RATE = 0.5
my-var = "x"
LIST = []

[limits]
call_timeout_ms = 0
memory_mb = 16

[[kv]]
binding = "NOTES"

[egress]
alow = ["api.example.com"]
"#;
    assert_eq!(
        mistakes(text),
        [
            "line 1: `manifest` is 2, but this release reads format 1 only",
            "line 2: `name` is no name for a server: a name is made of a-z, 0-9 and hyphens",
            "line 3: `main` must be a path relative to smcp.toml, without `..` and empty segments",
            "line 4: unknown key `compatability_date`; did you mean `compatibility_date`?",
            "line 5: `compatibility_flags` has a wrong entry: \"No\" is no flag: flags are made of a-z, 0-9, `_` and `-`, \
         like \"nodejs_compat\"",
            "line 5: `compatibility_flags` has \"nodejs_compat\" twice",
            "line 6: `definitions` must be \"pinned\" or \"dynamic\"",
            "line 9: `vars.PORT` must be a string: put it in quotes, `PORT = \"8080\"`",
            "line 10: `vars.DEBUG` must be a string: put it in quotes, `DEBUG = \"true\"`",
            "line 11: `vars.\"$1\"` must be a string: put it in quotes, `\"$1\" = \"1\"`",
            "line 12: `vars.RATE` must be a string: put it in quotes, `RATE = \"0.5\"`",
            "line 13: `vars.my-var` is no name for a var: it must read as a JavaScript name, made of a-z, A-Z, 0-9, `_` \
         and `$`",
            "line 14: `vars.LIST` must be a string in quotes, not a list",
            "line 17: `limits.call_timeout_ms` must be between 1 and 300000 milliseconds",
            "line 18: `limits.memory_mb` must be between 64 and 16384 MiB",
            "line 24: unknown key `egress.alow`; did you mean `egress.allow`?",
            "`compatibility_date` is missing: fix the runtime's behaviour at a date, for example `compatibility_date = \
         \"2026-11-01\"`",
        ]
    );
}

#[test]
fn what_is_missing_is_told_once() {
    let missing =
        |text: &str| mistakes(text).iter().filter_map(|m| m.split('`').nth(1).map(str::to_owned)).collect();
    let keys: Vec<String> = missing("");
    assert_eq!(keys, ["manifest", "name", "main", "compatibility_date"]);
    let keys: Vec<String> = missing("manifest = \"1\"\nname = 1\nmain = 1\ncompatibility_date = 2026-11-01");
    assert_eq!(keys, ["manifest", "name", "main", "compatibility_date"]);
}

#[test]
fn single_mistakes() {
    for (line, mistake) in [
        (
            "bundle = false",
            "line 5: `bundle` must be true: TypeScript has to be bundled before the runtime can read it",
        ),
        ("bundle = \"no\"", "line 5: `bundle` must be true or false, not a string"),
        ("endpoint = \"mcp\"", "line 5: `endpoint` must be an absolute path, like \"/mcp\""),
        (
            "compatibility_flags = \"x\"",
            "line 5: `compatibility_flags` must be a list of strings, like [\"nodejs_compat\"]",
        ),
        (
            "compatibility_flags = [1]",
            "line 5: `compatibility_flags` must be a list of strings, like [\"nodejs_compat\"]",
        ),
        ("vars = 1", "line 5: `vars` must be a section, not a number"),
        (
            "limits.call_timeout_ms = 1.5",
            "line 5: `limits.call_timeout_ms` must be a whole number, not a number with a fraction",
        ),
        ("limits.call_timeout_ms = 99999999999999999999", "line 5: `limits.call_timeout_ms` is too large"),
        (
            "limits.timeout = 1",
            "line 5: unknown key `limits.timeout`; known here: call_timeout_ms, concurrent_calls, cpu_ms, cpu_percent, log_bytes, memory_mb, open_streams, response_bytes, start_ms",
        ),
        ("limits.cpu_ms = 49", "line 5: `limits.cpu_ms` must be between 50 and 300000 milliseconds"),
        (
            "[vars]\nsandbox = \"hardened\"",
            "line 6: `vars.sandbox` is a variable where it stands, and would harden nothing: put it above the first section",
        ),
        ("validate = \"results\"", "line 5: `validate` must be \"arguments\" or \"nothing\""),
        (
            "validate = \"arguments\"\ndefinitions = \"dynamic\"",
            "line 5: `validate` needs `definitions = \"pinned\"`: dynamic definitions have no schema to check against",
        ),
        (
            "[vars]\nvalidate = \"arguments\"",
            "line 6: `vars.validate` is a variable where it stands, and would check nothing: put it above the first section",
        ),
        ("sandbox = \"hard\"", "line 5: `sandbox` must be \"standard\" or \"hardened\""),
        ("Endpoint = \"/x\"", "line 5: unknown key `Endpoint`; did you mean `endpoint`?"),
        (
            "compatibility-flags = []",
            "line 5: unknown key `compatibility-flags`; did you mean `compatibility_flags`?",
        ),
        (
            "\"a b\" = 1",
            "line 5: unknown key `\"a b\"`; known here: manifest, name, main, bundle, endpoint, compatibility_date, compatibility_flags, definitions, validate, vars, limits, sandbox, egress, kv, objects, d1, durable_objects, secrets, triggers",
        ),
    ] {
        assert_eq!(mistakes(&format!("{MINIMAL}{line}\n")), [mistake], "{line}");
    }
    let ready = MINIMAL.replace("src/index.ts", "smcp-main.js");
    assert_eq!(
        mistakes(&ready),
        [
            "line 3: `main` cannot be uploaded: module names that start with `smcp-` or `smcp:` are the platform's"
        ]
    );
    let other = MINIMAL.replace("index.ts", "index.py");
    assert_eq!(
        mistakes(&other),
        ["line 3: `main` must be a JavaScript or TypeScript file: .js, .mjs, .ts, .tsx or .mts"]
    );
}

#[test]
fn mistakes_in_what_code_is_given() {
    for (line, mistake) in [
        (
            "egress.allow = [\"*\"]",
            "line 5: `egress.allow` has the host \"*\", which must name hosts: `*` alone would be every host",
        ),
        ("egress = []", "line 5: `egress` must be a section, not a list"),
        (
            "[[egress.inject]]",
            "line 5: `egress.inject` needs `host`, `secret`, and one of `header` (with `format`, like \"Bearer {}\"), `query` and `basic_user`",
        ),
        (
            "[[egress.inject]]\nhost = \"api.example.com\"\nsecret = \"TOKEN\"\nheader = \"authorization\"",
            "line 5: `egress.inject` names the host \"api.example.com\", which is not where requests may go: add \"api.example.com\" to egress.allow",
        ),
        (
            "[durable_objects]\nbindings = [1]",
            "line 5: `durable_objects` must be written as sections in double brackets, `[[durable_objects]]`",
        ),
        ("[[d1]]", "line 5: `d1` needs a `binding`: the name under which code finds it in `env`"),
        (
            "[[kv]]\nbinding = \"A\"\nname = \"x\"",
            "line 7: unknown key `kv.name`; known here: binding, namespace",
        ),
        (
            "[[kv]]\nbinding = \"A\"\nnamespace = \"../x\"",
            "line 5: `kv` has a `namespace` that must have 1 to 63 characters of a-z, 0-9 and inner hyphens, not \"../x\"",
        ),
        (
            "[[kv]]\nbinding = \"A\"\n[[d1]]\nbinding = \"A\"",
            "line 7: `d1` has the name `A`, which `kv` gives already",
        ),
        (
            "[[durable_objects]]\nbinding = \"A\"",
            "line 5: `durable_objects` needs a `class`: the name of an exported class",
        ),
        ("secrets.plain = [1]", "line 5: `secrets.plain` must be a list of strings"),
    ] {
        assert_eq!(mistakes(&format!("{MINIMAL}{line}\n")), [mistake], "{line}");
    }
}

#[test]
fn vars_have_bounds() {
    let vars = |count: usize, size: usize| {
        let lines: Vec<String> = (0..count).map(|n| format!("V{n:03} = \"{}\"", "x".repeat(size))).collect();
        Manifest::parse(&format!("{MINIMAL}[vars]\n{}\n", lines.join("\n")))
    };
    assert!(vars(1, 5 << 10).is_ok());
    let error = vars(1, (5 << 10) + 1).unwrap_err();
    assert_eq!(error[0].to_string(), "line 6: `vars.V000` must have at most 5120 bytes");
    assert!(vars(16, 4092).is_ok(), "16 names of 4 and values of 4092 are 64 KiB");
    let error = vars(16, 4093).unwrap_err();
    assert_eq!(error[0].to_string(), "line 5: `vars` must have at most 65536 bytes in all");
}

#[test]
fn text_that_is_no_toml_is_told_by_line() {
    let lines = |text: &str| Manifest::parse(text).unwrap_err().iter().map(|m| m.line).collect::<Vec<_>>();
    assert_eq!(lines("manifest = 1\nname = \n\nmain = 'x\n"), [Some(2), Some(4)]);
    assert_eq!(lines("manifest = 1\nname = \"a\"\nname = \"b\"\n"), [Some(3)]);
    assert_eq!(lines(&"#".repeat(2 << 20)), [None]);
    assert!(!lines(&"[".repeat(10_000)).is_empty());
    assert!(!lines(&format!("a = {}", "[".repeat(10_000))).is_empty());
}

#[test]
fn what_code_is_given_is_locked() {
    let text = format!(
        "{MINIMAL}[[kv]]\nbinding = \"MY_CACHE\"\n[[kv]]\nbinding = \"SHARED\"\nnamespace = \"all\"\n\
         [[objects]]\nbinding = \"FILES\"\n[[d1]]\nbinding = \"DB\"\n[[durable_objects]]\nbinding = \"ROOM\"\n\
         class = \"Room\"\n[secrets]\nplain = [\"B\", \"A_KEY\"]\n"
    );
    let lock = Manifest::parse(&text).unwrap().lock("index.js");
    assert_eq!(lock.validate(), Ok(()));
    let json = serde_json::to_value(&lock).unwrap();
    assert_eq!(json["kv"][0]["namespace"], "notes-my-cache");
    assert_eq!(json["kv"][1]["namespace"], "all");
    assert_eq!(json["secrets"]["plain"], serde_json::json!(["A_KEY", "B"]));
    assert_eq!(json["requires"], serde_json::json!(["d1", "durable_objects", "kv", "objects", "secrets"]));
    let without = LockedManifest { requires: vec!["kv".to_owned()], ..lock.clone() };
    assert!(without.validate().unwrap_err().to_string().contains("must name `d1`"));
    let doubled = LockedManifest { kv: [lock.kv.clone(), lock.kv.clone()].concat(), ..lock };
    assert!(doubled.validate().is_err(), "one name in `env` is one thing");
}

#[test]
fn the_way_out_is_locked() {
    let text = format!(
        "{MINIMAL}[egress]\nallow = [\"API.example.com\", {{ host = \"*.example.org\", ports = [8443, 443], methods = [\"get\"] }}]\n\
         [[egress.inject]]\nhost = \"api.example.com\"\nmethods = [\"POST\", \"GET\"]\nsecret = \"TOKEN\"\nheader = \"X-Key\"\n\
         [[egress.inject]]\nhost = \"api.example.com\"\npath_prefix = \"/v1\"\nsecret = \"OTHER\"\nquery = \"key\"\n"
    );
    let lock = Manifest::parse(&text).unwrap().lock("index.js");
    assert_eq!(lock.validate(), Ok(()));
    assert_eq!(lock.requires, ["egress"]);
    let json = serde_json::to_value(&lock.egress).unwrap();
    assert_eq!(json["allow"][0], serde_json::json!({ "host": "api.example.com" }));
    assert_eq!(json["allow"][1]["ports"], serde_json::json!([443, 8443]));
    assert_eq!(json["inject"][0]["into"]["header"]["name"], "x-key");
    assert_eq!(json["inject"][0]["methods"], serde_json::json!(["GET", "POST"]));
    assert_eq!(lock.placeholders().len(), 2);
    let taken = mistakes(&format!("{text}[vars]\nTOKEN = \"x\"\n"));
    assert!(
        taken.iter().any(|told| told.contains("has the name `TOKEN`, which `vars` gives already")),
        "{taken:?}"
    );
}

#[test]
fn every_later_section_is_refused_and_fine_when_empty() {
    for later in crate::later::LATER {
        let path = if later.table.is_empty() {
            later.key.to_owned()
        } else {
            format!("{}.{}", later.table, later.key)
        };
        let told = mistakes(&format!("{MINIMAL}{path} = [1]\n"));
        assert!(told.len() == 1 && told[0].contains("is not offered yet"), "{path}: {told:?}");
        assert!(Manifest::parse(&format!("{MINIMAL}{path} = []\n")).is_ok(), "{path}");
    }
}

#[test]
fn locking_spells_everything_out() {
    let manifest = Manifest::parse(MINIMAL).unwrap();
    let lock = manifest.lock("index.js");
    assert_eq!(lock.validate(), Ok(()));
    assert_eq!(
        serde_json::to_string(&lock).unwrap(),
        r#"{"compatibility_date":"2026-11-01","compatibility_flags":[],"definitions":"pinned","endpoint":"/mcp","format":1,"limits":{},"main":"index.js","name":"notes","requires":[],"vars":{}}"#
    );
}
