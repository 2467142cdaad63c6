//! Rules about the members of an object.

use super::{Check, Exhausted, Fits, Fuel, Seen, Step, told::shown};
use crate::json_schema::{NodeId, pattern::Pattern};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most missing names that are listed.
const MAX_NAMES: usize = 5;

/// Subschemas of members: by name, by pattern, and of all others.
type Properties<'s> = (&'s BTreeMap<String, NodeId>, &'s [(Pattern, NodeId)], Option<NodeId>);

impl<'s, 'v> Check<'s, 'v> {
    pub(super) fn properties(
        &mut self,
        (named, patterns, rest): Properties<'s>,
        members: &'v Map<String, Value>,
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut fits = true;
        for (key, value) in members {
            self.fuel.read(key.len())?;
            let by_name = named.get(key);
            let mut known = by_name.is_some();
            if let Some(id) = by_name {
                fits &= self.other(Step::Key(key), (*id, "properties"), value)?;
            }
            for (pattern, id) in patterns {
                if self.matches(pattern, key)? {
                    known = true;
                    fits &= self.other(Step::Key(key), (*id, "patternProperties"), value)?;
                }
            }
            if let Some(id) = rest.filter(|_| !known) {
                known = true;
                fits &= self.other(Step::Key(key), (id, "additionalProperties"), value)?;
            }
            if let Some(seen) = seen.as_deref_mut().filter(|_| known) {
                seen.properties.insert(key);
            }
            if !fits && self.done() {
                break;
            }
        }
        Ok(fits)
    }

    pub(super) fn other_properties(
        &mut self,
        id: NodeId,
        members: &'v Map<String, Value>,
        seen: &mut Seen<'v>,
    ) -> Fits {
        let mut fits = true;
        for (key, value) in members {
            self.fuel.read(key.len())?;
            if !seen.every_property && !seen.properties.contains(key.as_str()) {
                fits &= self.other(Step::Key(key), (id, "unevaluatedProperties"), value)?;
            }
        }
        seen.every_property = true;
        Ok(fits)
    }

    pub(super) fn required(&mut self, required: &'s [String], members: &'v Map<String, Value>) -> Fits {
        let missing = self.missing(required, members)?;
        Ok(missing.is_empty() || self.fail("required", &format!("lacks {missing}")))
    }

    pub(super) fn dependent(
        &mut self,
        dependent: &'s [(String, Vec<String>)],
        members: &'v Map<String, Value>,
    ) -> Fits {
        for (key, required) in dependent {
            self.fuel.read(key.len())?;
            if !members.contains_key(key) {
                continue;
            }
            let missing = self.missing(required, members)?;
            if !missing.is_empty() {
                let words = format!("with {} must also have {missing}", shown(key));
                return Ok(self.fail("dependentRequired", &words));
            }
        }
        Ok(true)
    }

    /// Names are values of their own, which live no longer than this.
    pub(super) fn names(&mut self, id: NodeId, members: &'v Map<String, Value>) -> Fits {
        for key in members.keys() {
            self.fuel.read(key.len())?;
            let name = Value::String(key.clone());
            let mut check = Check {
                nodes: self.nodes,
                fuel: std::mem::replace(&mut self.fuel, Fuel(0)),
                depth: self.depth,
                quiet: 1,
                place: Vec::new(),
                failures: Vec::new(),
            };
            let fits = check.node(id, &name, None);
            self.fuel = check.fuel;
            if !fits? {
                let words = format!("may not have the name {}", shown(key));
                return Ok(self.fail("propertyNames", &words));
            }
        }
        Ok(true)
    }

    /// The names of an object that are not there, or nothing.
    fn missing(
        &mut self,
        required: &'s [String],
        members: &'v Map<String, Value>,
    ) -> Result<String, Exhausted> {
        let mut missing = Vec::new();
        for key in required {
            self.fuel.read(key.len())?;
            if !members.contains_key(key) {
                missing.push(shown(key));
            }
            if missing.len() == MAX_NAMES {
                break;
            }
        }
        Ok(missing.join(", "))
    }
}
