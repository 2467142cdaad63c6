//! Where references inside a schema lead: its identifiers, its anchors, its own places. Nothing outside is ever fetched.

use super::Dialect;
use serde_json::Value;
use std::collections::BTreeMap;

/// A schema that has an identifier of its own, by its place in `References::resources`; the first is the outermost.
pub(super) type Resource = usize;

/// The names of a document.
pub(super) struct References<'s> {
    dialect: Dialect,
    resources: Vec<&'s Value>,
    ids: BTreeMap<&'s str, Resource>,
    anchors: BTreeMap<(Resource, &'s str), &'s Value>,
    /// Which resource a subschema belongs to, by its address.
    owners: BTreeMap<*const Value, Resource>,
}

/// Keywords with one subschema.
const ONE: [&str; 12] = [
    "not",
    "if",
    "then",
    "else",
    "items",
    "additionalItems",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords with a list of them.
const LIST: [&str; 5] = ["allOf", "anyOf", "oneOf", "prefixItems", "items"];
/// Keywords with a map of them.
const MAP: [&str; 6] =
    ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions", "dependencies"];

impl<'s> References<'s> {
    pub(super) fn of(document: &'s Value, dialect: Dialect) -> Self {
        let mut references = Self {
            dialect,
            resources: vec![document],
            ids: BTreeMap::new(),
            anchors: BTreeMap::new(),
            owners: BTreeMap::new(),
        };
        references.survey(document, 0);
        references
    }

    /// Takes note of the names in a subschema. Its depth is that of JSON that was checked by `parse`.
    fn survey(&mut self, schema: &'s Value, mut owner: Resource) {
        let Value::Object(keywords) = schema else { return };
        let hides = self.dialect == Dialect::Draft7 && keywords.contains_key("$ref");
        let id = keywords.get("$id").and_then(Value::as_str).filter(|_| !hides);
        if let Some(id) = id {
            match id.strip_prefix('#') {
                Some(anchor) => _ = self.anchors.insert((owner, anchor), schema),
                None => {
                    if !std::ptr::eq(schema, self.resources[0]) {
                        owner = self.resources.len();
                        self.resources.push(schema);
                    }
                    // The first of two stays: what a reference means must not depend on what comes later.
                    self.ids.entry(id.trim_end_matches('#')).or_insert(owner);
                }
            }
        }
        if self.owners.insert(std::ptr::from_ref(schema), owner).is_some() {
            return;
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = keywords.get(key).and_then(Value::as_str)
                && self.dialect == Dialect::Draft2020
            {
                self.anchors.insert((owner, anchor), schema);
            }
        }
        for (key, value) in keywords {
            if ONE.contains(&key.as_str()) {
                self.survey(value, owner);
            }
            if LIST.contains(&key.as_str()) {
                value.as_array().into_iter().flatten().for_each(|schema| self.survey(schema, owner));
            }
            if MAP.contains(&key.as_str()) {
                value.as_object().into_iter().flatten().for_each(|(_, schema)| self.survey(schema, owner));
            }
        }
    }

    /// Whether a reference may mean different places, by the way that led to it.
    pub(super) const fn is_dynamic(&self) -> bool {
        self.resources.len() > 1
    }

    /// The resource that a subschema belongs to; one in an unusual place belongs to whoever refers to it.
    pub(super) fn owner(&self, schema: &Value, referrer: Resource) -> Resource {
        self.owners.get(&std::ptr::from_ref(schema)).copied().unwrap_or(referrer)
    }

    /// Where a reference leads.
    pub(super) fn find(&self, reference: &str, from: Resource) -> Option<(&'s Value, Resource)> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = if base.is_empty() { from } else { *self.ids.get(base)? };
        let fragment = decode(fragment)?;
        let root = self.resources[resource];
        let found = match fragment.as_str() {
            "" => root,
            pointer if pointer.starts_with('/') => root.pointer(pointer)?,
            anchor => self.anchors.get(&(resource, anchor)).copied()?,
        };
        (found.is_object() || found.is_boolean()).then(|| (found, self.owner(found, resource)))
    }
}

/// Percent-decoding (RFC 6901, section 6).
fn decode(fragment: &str) -> Option<String> {
    if !fragment.contains('%') {
        return Some(fragment.to_owned());
    }
    let mut bytes = fragment.bytes();
    let mut out = Vec::with_capacity(fragment.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let hex = [bytes.next()?, bytes.next()?];
        out.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
    }
    String::from_utf8(out).ok()
}
