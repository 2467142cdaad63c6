//! Rules about the items of an array.

use super::{Check, Fits, Seen, Step};
use crate::json_schema::{NodeId, value};
use serde_json::Value;
use std::collections::BTreeMap;

impl<'s, 'v> Check<'s, 'v> {
    pub(super) fn items(
        &mut self,
        (prefix, rest): (&'s [NodeId], Option<NodeId>),
        items: &'v [Value],
        seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut fits = true;
        for (index, item) in items.iter().enumerate() {
            let Some(id) = prefix.get(index).copied().or(rest) else { break };
            self.fuel.spend(1)?;
            fits &= self.other(Step::Index(index), (id, "items"), item)?;
            if !fits && self.done() {
                break;
            }
        }
        if let Some(seen) = seen {
            seen.every_item |= rest.is_some();
            seen.items = seen.items.max(prefix.len());
        }
        Ok(fits)
    }

    pub(super) fn other_items(&mut self, id: NodeId, items: &'v [Value], seen: &mut Seen<'v>) -> Fits {
        let mut fits = true;
        for (index, item) in items.iter().enumerate().skip(seen.items) {
            self.fuel.spend(1)?;
            if !seen.every_item && !seen.found.contains(&index) {
                fits &= self.other(Step::Index(index), (id, "unevaluatedItems"), item)?;
            }
        }
        seen.every_item = true;
        Ok(fits)
    }

    pub(super) fn contains(
        &mut self,
        schema: NodeId,
        (least, most): (u64, Option<u64>),
        items: &'v [Value],
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut count = 0;
        for (index, item) in items.iter().enumerate() {
            if self.quietly(schema, item, None)? {
                count += 1;
                if let Some(seen) = seen.as_deref_mut() {
                    seen.found.insert(index);
                }
            }
        }
        if count < least {
            return Ok(self.fail("contains", "has too few items of the kind that it must contain"));
        }
        let too_many = most.is_some_and(|most| count > most);
        Ok(!too_many || self.fail("maxContains", "has too many items of one kind"))
    }

    pub(super) fn unique(&mut self, items: &'v [Value]) -> Fits {
        let mut by_hash = BTreeMap::<u64, Vec<&Value>>::new();
        for item in items {
            let like = by_hash.entry(value::hash(&mut self.fuel, item)?).or_default();
            for other in &*like {
                if value::equal(&mut self.fuel, item, other)? {
                    return Ok(self.fail("uniqueItems", "has the same item twice"));
                }
            }
            like.push(item);
        }
        Ok(true)
    }
}
