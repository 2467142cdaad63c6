//! Schemas and values: what fits, what is told, and that nothing hostile takes more than its share.

use super::*;
use proptest::{
    arbitrary::any, prop_assert, prop_assert_eq, prop_oneof, proptest, strategy::Strategy,
    test_runner::TestCaseError,
};
use serde_json::json;

fn compile(schema: &Value) -> Result<Schema, SchemaError> {
    Schema::compile(schema, &mut SchemaRoom::default())
}

fn check(schema: &Value, value: &Value) -> Result<(), Misfit> {
    evaluate::check(&compile(schema).unwrap_or_else(|error| panic!("{schema}: {error}")), value)
}

/// Each schema with values that fit it and values that do not.
fn hold(cases: Vec<(Value, Vec<Value>, Vec<Value>)>) {
    for (schema, fits, fails) in cases {
        for value in fits {
            assert_eq!(check(&schema, &value), Ok(()), "{schema} {value}");
        }
        for value in fails {
            assert!(matches!(check(&schema, &value), Err(Misfit::Rules(_))), "{schema} {value}");
        }
    }
}

#[test]
fn keywords_of_plain_values() {
    hold(vec![
        (json!({}), vec![json!(1), json!(null)], vec![]),
        (json!({ "type": "integer" }), vec![json!(1), json!(1.0), json!(-3)], vec![json!(1.5), json!("1")]),
        (json!({ "type": ["string", "null"] }), vec![json!("x"), json!(null)], vec![json!(0), json!([])]),
        (
            json!({ "enum": [1, "a", { "b": [1] }] }),
            vec![json!(1.0), json!({ "b": [1.0] })],
            vec![json!(2), json!("A")],
        ),
        (json!({ "const": { "a": 1, "b": 2 } }), vec![json!({ "b": 2, "a": 1 })], vec![json!({ "a": 1 })]),
        (json!({ "multipleOf": 0.01 }), vec![json!(19.99), json!(4), json!(0)], vec![json!(19.995)]),
        (json!({ "multipleOf": 1e-300 }), vec![json!(1e300), json!(1)], vec![]),
        (json!({ "multipleOf": 0.123456789 }), vec![], vec![json!(1e308)]),
        (
            json!({ "minimum": 1, "exclusiveMaximum": 2 }),
            vec![json!(1), json!(1.9)],
            vec![json!(2), json!(0.9)],
        ),
        (
            json!({ "maximum": 9007199254740993_u64 }),
            vec![json!(9007199254740993_u64)],
            vec![json!(9007199254740994_u64)],
        ),
        (
            json!({ "minLength": 2, "maxLength": 2 }),
            vec![json!("aé"), json!("💚💚"), json!(1)],
            vec![json!("a"), json!("abc")],
        ),
        (json!({ "pattern": "^[a-z]+$" }), vec![json!("abc"), json!(1)], vec![json!("aBc"), json!("abc\n")]),
        (json!({ "pattern": "^\\p{L}+$" }), vec![json!("é"), json!("字")], vec![json!("1")]),
        (json!({ "pattern": "\\d{2}" }), vec![json!("a12")], vec![json!("٣٤"), json!("1")]),
    ]);
}

#[test]
fn keywords_with_subschemas() {
    hold(vec![
        (json!({ "properties": { "a": false } }), vec![json!({ "b": 1 })], vec![json!({ "a": 1 })]),
        (
            json!({ "uniqueItems": true }),
            vec![json!([1, "1", [1], { "a": 1 }])],
            vec![json!([1, 1.0]), json!([{ "a": 1, "b": 2 }, { "b": 2, "a": 1 }])],
        ),
        (
            json!({ "prefixItems": [{ "type": "string" }], "items": { "type": "number" } }),
            vec![json!(["a", 1]), json!([])],
            vec![json!([1]), json!(["a", "b"])],
        ),
        (
            json!({ "contains": { "const": 1 }, "minContains": 2, "maxContains": 3 }),
            vec![json!([1, 1])],
            vec![json!([1]), json!([1, 1, 1, 1])],
        ),
        (
            json!({ "required": ["a"], "minProperties": 2 }),
            vec![json!({ "a": 1, "b": 1 }), json!(1)],
            vec![json!({ "b": 1, "c": 1 }), json!({ "a": 1 })],
        ),
        (
            json!({ "properties": { "a": {} }, "patternProperties": { "^x-": { "type": "string" } }, "additionalProperties": false }),
            vec![json!({ "a": 1, "x-b": "" })],
            vec![json!({ "b": 1 }), json!({ "x-b": 1 })],
        ),
        (json!({ "propertyNames": { "maxLength": 1 } }), vec![json!({ "a": 1 })], vec![json!({ "ab": 1 })]),
        (
            json!({ "dependentRequired": { "a": ["b"] }, "dependentSchemas": { "c": { "required": ["d"] } } }),
            vec![json!({ "b": 1 }), json!({ "a": 1, "b": 1 })],
            vec![json!({ "a": 1 }), json!({ "c": 1 })],
        ),
        (
            json!({ "oneOf": [{ "type": "number" }, { "minimum": 2 }] }),
            vec![json!(1), json!("x")],
            vec![json!(3)],
        ),
        (json!({ "not": { "type": "string" } }), vec![json!(1)], vec![json!("x")]),
        (
            json!({ "if": { "type": "string" }, "then": { "minLength": 1 }, "else": { "type": "number" } }),
            vec![json!("x"), json!(1)],
            vec![json!(""), json!([])],
        ),
        (
            json!({ "allOf": [{ "properties": { "a": {} } }], "properties": { "b": {} }, "unevaluatedProperties": false }),
            vec![json!({ "a": 1, "b": 1 })],
            vec![json!({ "c": 1 })],
        ),
        (
            json!({ "prefixItems": [true], "contains": { "const": 1 }, "unevaluatedItems": false }),
            vec![json!([0, 1])],
            vec![json!([0, 1, 2])],
        ),
    ]);
}

#[test]
fn references_and_dialects() {
    let recursive =
        json!({ "type": "object", "properties": { "next": { "$ref": "#" } }, "additionalProperties": false });
    let tree = json!({ "$ref": "#/$defs/node", "$defs": { "node": { "anyOf": [{ "type": "null" },
        { "type": "array", "items": { "$ref": "#/$defs/node" } }] } } });
    hold(vec![
        (recursive, vec![json!({ "next": { "next": {} } })], vec![json!({ "next": { "no": {} } })]),
        (tree, vec![json!([null, [[]]])], vec![json!([null, [1]])]),
        (
            json!({ "$ref": "#here", "$defs": { "a": { "$anchor": "here", "type": "string" } } }),
            vec![json!("x")],
            vec![json!(1)],
        ),
        (
            json!({ "properties": { "a": { "$ref": "T" } }, "$defs": { "a": { "$id": "T", "type": "string" } } }),
            vec![json!({ "a": "x" })],
            vec![json!({ "a": 1 })],
        ),
        (
            json!({ "$schema": "http://json-schema.org/draft-07/schema#", "items": [{ "type": "string" }], "additionalItems": false,
            "dependencies": { "a": ["b"] } }),
            vec![json!(["x"]), json!({ "a": 1, "b": 1 })],
            vec![json!([1]), json!(["x", 1]), json!({ "a": 1 })],
        ),
        (json!({ "format": "date-time", "description": 7 }), vec![json!("not a date")], vec![]),
    ]);
}

#[test]
fn mistakes_are_told_by_place_and_keyword_and_repeat_no_value() {
    let schema = json!({ "type": "object", "required": ["a", "b"], "additionalProperties": false,
        "properties": { "a": { "type": "integer", "minimum": 1 }, "list": { "items": { "enum": ["x", "y"] } }, "s/t": { "maxLength": 3 } } });
    let long = "secret".repeat(1_000);
    let told = check(&schema, &json!({ "a": 0, "list": ["x", long], "s/t": long, "more": long }))
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "the whole lacks \"b\" (required); \"/a\" is too small: the bound is 1 (minimum); \"/list/1\" is not a value that is allowed (enum); \"/s~1t\" is too \
         long: the bound is 3 (maxLength); \"/more\" is not known here (additionalProperties)"
    );
    let schema = compile(&schema).unwrap();
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    assert_eq!(schema.check(None).unwrap_err().to_string(), "the whole lacks \"a\", \"b\" (required)");
    assert_eq!(schema.check(Some(&raw("null"))).unwrap_err().to_string(), "the whole must be object (type)");
    assert_eq!(
        schema.check(Some(&raw(r#"{"a":1,"b":2}"#))).unwrap_err().to_string(),
        "\"/b\" is not known here (additionalProperties)"
    );
    let key = "k".repeat(100_000);
    let told = check(&json!({ "additionalProperties": false }), &json!({ key: 1 })).unwrap_err().to_string();
    assert!(told.len() < 200, "{told}");
}

#[test]
fn what_is_no_schema_is_refused_by_its_place() {
    for (schema, told) in [
        (
            json!({ "$ref": "https://example.com/s.json" }),
            "has a `$ref` at # that leads to no place in the schema itself; nothing is fetched",
        ),
        (
            json!({ "items": { "$ref": "file:///etc/passwd" } }),
            "has a `$ref` at #/items that leads to no place in the schema itself; nothing is fetched",
        ),
        (
            json!({ "$ref": "#/$defs/none" }),
            "has a `$ref` at # that leads to no place in the schema itself; nothing is fetched",
        ),
        (
            json!({ "$schema": "http://json-schema.org/draft-04/schema#" }),
            "is written in a dialect that is not known here: use JSON Schema 2020-12 or draft-07",
        ),
        (
            json!({ "properties": { "a": { "type": "strng" } } }),
            "has a wrong `type` at #/properties/a: must be one of null, boolean, object, array, number, string, integer, or a list of them",
        ),
        (
            json!({ "properties": { "a": 1 } }),
            "has a wrong `a` at #/properties: a schema is an object, true or false",
        ),
        (json!({ "minLength": -1 }), "has a wrong `minLength` at #: must be a whole number, 0 or more"),
        (json!({ "multipleOf": 0 }), "has a wrong `multipleOf` at #: must be a number above 0"),
        (json!({ "required": "a" }), "has a wrong `required` at #: must be a list of names"),
        (json!({ "allOf": [] }), "has a wrong `allOf` at #: must be a list of schemas"),
        (
            json!({ "pattern": "^[a-z]{1,4000}.*[a-z]{1,4000}$" }),
            "has a wrong `pattern` at #: is too large to be matched in linear time: shorten its repetitions",
        ),
        (json!({ "$ref": "#" }), "refers to itself without end"),
        (
            json!({ "anyOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": { "not": { "$ref": "#" } } } }),
            "refers to itself without end",
        ),
    ] {
        assert_eq!(
            compile(&schema).map(drop).map_err(|error| error.to_string()),
            Err(told.to_owned()),
            "{schema}"
        );
    }
    let error = compile(&json!({ "pattern": "^(?=a)" })).unwrap_err().to_string();
    assert!(error.contains("without look-around"), "{error}");
}

/// A chain of definitions, each made of two of the next.
fn doubling(keyword: &str, depth: usize, last: &Value) -> Value {
    let mut defs = serde_json::Map::new();
    for level in 0..depth {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        defs.insert(format!("d{level}"), json!({ keyword: [next, next] }));
    }
    defs.insert(format!("d{depth}"), last.clone());
    json!({ "$ref": "#/$defs/d0", "$defs": defs })
}

#[test]
fn hostile_schemas_end_in_bounded_work() {
    let deep = (0..60).fold(json!(1), |inner, _| json!({ "a": inner }));
    let node = json!({ "$ref": "#/$defs/n" });
    let twice = json!({ "$ref": "#/$defs/n", "$defs": { "n": { "allOf": [{ "properties": { "a": node } }], "properties": { "a": node } } } });
    let unevaluated = json!({ "$ref": "#/$defs/n", "$defs": { "n": { "anyOf": [{ "properties": { "a": node } }, true],
        "properties": { "a": node }, "unevaluatedProperties": false } } });
    let chain = {
        let mut defs = serde_json::Map::new();
        for level in 0..5_000 {
            defs.insert(format!("d{level}"), json!({ "$ref": format!("#/$defs/d{}", level + 1) }));
        }
        defs.insert("d5000".to_owned(), json!({}));
        json!({ "$ref": "#/$defs/d0", "$defs": defs })
    };
    for (what, schema, value) in [
        ("allOf", doubling("allOf", 60, &json!({})), json!({})),
        ("anyOf", doubling("anyOf", 60, &json!(false)), json!({})),
        ("oneOf", doubling("oneOf", 60, &json!({ "type": "string" })), json!({})),
        ("recursion", twice, deep.clone()),
        ("unevaluated", unevaluated, deep),
        ("a chain", chain, json!({})),
        (
            "a large enum",
            json!({ "items": { "enum": (0..15_000).collect::<Vec<_>>() } }),
            json!(vec![14_999; 1_000]),
        ),
        (
            "names",
            json!({ "patternProperties": (0..100).map(|n| (format!("^a{n}"), json!({}))).collect::<serde_json::Map<_, _>>() }),
            (0..20_000).map(|n| (format!("b{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into(),
        ),
    ] {
        assert_eq!(check(&schema, &value), Err(Misfit::TooMuchWork), "{what}");
    }
    for (what, schema, value) in [
        ("backtracking", json!({ "pattern": "^(a+)+$" }), json!("a".repeat(1_000_000) + "!")),
        ("alternatives", json!({ "pattern": "^(a|a|aa)*$" }), json!("a".repeat(1_000_000) + "!")),
        (
            "a large array",
            json!({ "uniqueItems": true }),
            json!((0..90_000).map(|n| n / 2).collect::<Vec<_>>()),
        ),
        (
            "decimals",
            json!({ "items": { "multipleOf": 1.7976931348623157e308 } }),
            json!(vec![5e-324; 1_000]),
        ),
    ] {
        assert!(matches!(check(&schema, &value), Err(Misfit::Rules(_))), "{what}");
    }
    let raw = serde_json::value::RawValue::from_string(format!("[{}1]", "1,".repeat(MAX_VALUES))).unwrap();
    assert_eq!(compile(&json!({})).unwrap().check(Some(&raw)), Err(Misfit::TooMuchWork));
}

#[test]
fn all_schemas_of_a_server_share_one_room() {
    let properties: serde_json::Map<_, _> =
        (0..1_000).map(|n| (format!("p{n}"), json!({ "type": "string" }))).collect();
    let schema = json!({ "properties": properties });
    let mut room = SchemaRoom::default();
    let fitting = (0..100).take_while(|_| Schema::compile(&schema, &mut room).is_ok()).count();
    assert!((5..20).contains(&fitting), "{fitting}");
    assert_eq!(Schema::compile(&schema, &mut room).map(drop), Err(SchemaError::TooLarge));
    let mut room = SchemaRoom::default();
    let pattern = json!({ "pattern": "^[a-z]{1,500}$" });
    let fitting = (0..1_000).take_while(|_| Schema::compile(&pattern, &mut room).is_ok()).count();
    assert!(fitting > 10, "{fitting}");
    assert_eq!(Schema::compile(&pattern, &mut room).map(drop), Err(SchemaError::PatternsTooLarge));
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "$ref",
            "$defs",
            "$id",
            "$anchor",
            "$dynamicRef",
            "$dynamicAnchor",
            "type",
            "enum",
            "const",
            "properties",
            "patternProperties",
            "additionalProperties",
            "items",
            "prefixItems",
            "contains",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "if",
            "then",
            "else",
            "required",
            "dependentSchemas",
            "dependencies",
            "unevaluatedProperties",
            "unevaluatedItems",
            "a",
            "b",
        ])
        .prop_map(str::to_owned),
        "[a-c#/~%^$*+(){}\\[\\]\\\\]{0,6}",
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words().prop_map(Value::from),
        proptest::sample::select(vec!["#", "#/$defs/a", "#/properties/a", "object", "string", "array"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => proptest::collection::btree_map(words(), inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_is_compiled_or_refused_and_checked_to_the_end(schema in anything(), value in anything()) {
        if let Ok(schema) = compile(&schema) {
            let once = evaluate::check(&schema, &value);
            prop_assert_eq!(&once, &evaluate::check(&schema, &value));
            if let Err(Misfit::Rules(told)) = once {
                prop_assert!(!told.is_empty() && told.len() <= 5, "{told:?}");
            }
        }
    }

    #[test]
    fn a_pattern_matches_itself_when_it_is_only_letters(text in "[a-zé💚]{0,10}") {
        let found = check(&json!({ "pattern": text }), &json!(format!("x{text}y")));
        prop_assert_eq!(found, Ok(()));
    }

    #[test]
    fn multiples_are_multiples(unit in 1_u32..1_000_000, times in 0_u32..100_000, power in 0_i32..9) {
        let number = |digits: u64| -> Result<Value, TestCaseError> {
            serde_json::from_str(&format!("{digits}e-{power}")).map_err(|_| TestCaseError::reject("no number"))
        };
        let (unit, value) = (number(unit.into())?, number(u64::from(unit) * u64::from(times))?);
        prop_assert_eq!(check(&json!({ "multipleOf": unit }), &value), Ok(()), "{} {}", unit, value);
    }
}
