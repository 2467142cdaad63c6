//! Arguments of a tool from the command line, typed by the tool's own schema.

use serde_json::{Map, Value};

use crate::cli::failure::Failure;

/// The object of `--args`, or an empty one.
pub(super) fn base(args: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let Some(text) = args else { return Ok(Map::new()) };
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => {
            Err(Failure::input("--args has to be a JSON object")
                .hint("for example --args '{\"name\":\"Ada\"}'"))
        }
        Err(error) => Err(Failure::input(format!("--args is not JSON: {error}"))),
    }
}

/// `base` with the pairs, each as its property in the schema wants it. All mistakes are told together.
pub(super) fn merge(
    base: Map<String, Value>,
    pairs: &[(String, String)],
    schema: &Value,
) -> Result<Map<String, Value>, Failure> {
    let mut arguments = base;
    let mut mistakes = Vec::new();
    for (at, (name, text)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(before, _)| before == name) {
            mistakes.push(format!("--arg {name} is given twice; a list is written {name}='[1,2]'"));
            continue;
        }
        let property = schema.get("properties").and_then(|properties| properties.get(name));
        match value(text, property) {
            Ok(value) => _ = arguments.insert(name.clone(), value),
            Err(wanted) => mistakes.push(format!("--arg {name}={text}: {name} has to be {wanted}")),
        }
    }
    if mistakes.is_empty() {
        return Ok(arguments);
    }
    Err(Failure::input("the arguments do not fit the tool's schema").details(mistakes))
}

/// The text as one of the types that the property takes; without a schema as JSON where it is JSON.
fn value(text: &str, property: Option<&Value>) -> Result<Value, String> {
    let types = property.map(types).unwrap_or_default();
    if types == ["string"] {
        return Ok(Value::String(text.to_owned()));
    }
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    // Where several types fit, a text that is JSON is taken as JSON: whoever wants the text puts it in JSON's quotes.
    match parsed {
        Some(value) if types.is_empty() || types.iter().any(|name| is_of(&value, name)) => Ok(value),
        Some(_) | None if types.is_empty() || types.contains(&"string") => Ok(Value::String(text.to_owned())),
        Some(_) | None => Err(types.iter().map(|name| with_article(name)).collect::<Vec<_>>().join(" or ")),
    }
}

/// The JSON types that a schema names; empty when it does not say, or says it in a way that takes a validator.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(_) | None => Vec::new(),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        // 3.0 is an integer in JSON Schema, and to the JavaScript that reads it.
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn with_article(name: &str) -> String {
    match name {
        "null" => "null".to_owned(),
        "integer" | "array" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_take_the_type_their_property_has() {
        let string = json!({ "type": "string" });
        let number = json!({ "type": "number" });
        let either = json!({ "type": ["string", "null", "integer"] });
        let silent = json!({ "anyOf": [] });
        for (text, property, expected) in [
            ("5", Some(&string), Some(json!("5"))),
            ("\"5\"", Some(&string), Some(json!("\"5\""))),
            ("", Some(&string), Some(json!(""))),
            ("5", Some(&number), Some(json!(5))),
            ("5e-1", Some(&number), Some(json!(0.5))),
            ("five", Some(&number), None),
            ("true", Some(&json!({ "type": "boolean" })), Some(json!(true))),
            ("yes", Some(&json!({ "type": "boolean" })), None),
            ("2.0", Some(&json!({ "type": "integer" })), Some(json!(2.0))),
            ("2.5", Some(&json!({ "type": "integer" })), None),
            ("[1]", Some(&json!({ "type": "array" })), Some(json!([1]))),
            ("{}", Some(&json!({ "type": "object" })), Some(json!({}))),
            ("null", Some(&either), Some(json!(null))),
            ("5", Some(&either), Some(json!(5))),
            ("\"5\"", Some(&either), Some(json!("5"))),
            ("a b", Some(&either), Some(json!("a b"))),
            ("5", Some(&silent), Some(json!(5))),
            ("a b", Some(&silent), Some(json!("a b"))),
            ("[1", None, Some(json!("[1"))),
        ] {
            assert_eq!(value(text, property).ok(), expected, "{text} {property:?}");
        }
    }

    #[test]
    fn pairs_go_before_the_object_and_mistakes_come_together() {
        let schema = json!({ "properties": { "a": { "type": "number" } } });
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let merged =
            merge(base(Some(r#"{"a":1,"b":2}"#)).unwrap(), &[pair("a", "3"), pair("c", "x")], &schema);
        assert_eq!(Value::Object(merged.unwrap()), json!({ "a": 3, "b": 2, "c": "x" }));
        let wrong =
            merge(Map::new(), &[pair("a", "x"), pair("b", "1"), pair("b", "2")], &schema).unwrap_err();
        assert_eq!(
            wrong.report().unwrap().details,
            ["--arg a=x: a has to be a number", "--arg b is given twice; a list is written b='[1,2]'"]
        );
        assert!(base(Some("[]")).is_err() && base(Some("{")).is_err() && base(None).unwrap().is_empty());
    }
}
