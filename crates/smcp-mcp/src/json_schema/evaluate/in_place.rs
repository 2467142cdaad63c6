//! Rules that look at the same value with other subschemas.

use super::{Check, Fits, Seen};
use crate::json_schema::NodeId;
use serde_json::Value;

impl<'s, 'v> Check<'s, 'v> {
    pub(super) fn all_of(
        &mut self,
        all: &'s [NodeId],
        value: &'v Value,
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut fits = true;
        for id in all {
            fits &= self.node(*id, value, seen.as_deref_mut())?;
            if !fits && self.done() {
                break;
            }
        }
        Ok(fits)
    }

    pub(super) fn any_of(
        &mut self,
        any: &'s [NodeId],
        value: &'v Value,
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut fits = false;
        for id in any {
            fits |= self.quietly(*id, value, seen.as_deref_mut())?;
            // What the others look at counts too where somebody asks.
            if fits && seen.is_none() {
                break;
            }
        }
        Ok(fits || self.fail("anyOf", "must fit one of the alternatives"))
    }

    pub(super) fn one_of(
        &mut self,
        one: &'s [NodeId],
        value: &'v Value,
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let mut fits = 0;
        for id in one {
            fits += usize::from(self.quietly(*id, value, seen.as_deref_mut())?);
            if fits > 1 {
                return Ok(self.fail("oneOf", "must fit only one of the alternatives"));
            }
        }
        Ok(fits == 1 || self.fail("oneOf", "must fit one of the alternatives"))
    }

    pub(super) fn branch(
        &mut self,
        (test, then, otherwise): (NodeId, Option<NodeId>, Option<NodeId>),
        value: &'v Value,
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let branch = if self.quietly(test, value, seen.as_deref_mut())? { then } else { otherwise };
        branch.map_or(Ok(true), |branch| self.node(branch, value, seen))
    }

    pub(super) fn dependent_schemas(
        &mut self,
        dependent: &'s [(String, NodeId)],
        value: &'v Value,
        mut seen: Option<&mut Seen<'v>>,
    ) -> Fits {
        let Some(members) = value.as_object() else { return Ok(true) };
        let mut fits = true;
        for (key, id) in dependent {
            self.fuel.read(key.len())?;
            if members.contains_key(key) {
                fits &= self.node(*id, value, seen.as_deref_mut())?;
            }
        }
        Ok(fits)
    }
}
