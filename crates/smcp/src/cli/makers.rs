//! Who made something, as people know them: of a key its name, where this caller may see the tenant's keys.

use std::collections::BTreeMap;

use super::connection::Connection;

/// The names of a tenant's keys by their ids.
pub(super) struct Makers(BTreeMap<String, String>);

impl Makers {
    /// Asks for them; whoever may not see keys sees their ids.
    pub(super) fn of(connection: &Connection, tenant: &str) -> Self {
        let keys = connection.client.list_keys(tenant).map(|list| list.items).unwrap_or_default();
        Self(keys.into_iter().map(|key| (key.id, key.name)).collect())
    }

    /// The name of a principal, else the id that `smcp keys list` shows.
    pub(super) fn name(&self, principal: &str) -> String {
        let id = match principal.strip_prefix("key:").and_then(|rest| rest.rsplit_once(':')) {
            Some((_tenant, id)) => id,
            None => principal,
        };
        self.0.get(id).map_or(id, String::as_str).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_name_and_strangers_their_id() {
        let makers = Makers(BTreeMap::from([("abc".to_owned(), "laptop".to_owned())]));
        for (principal, name) in
            [("key:tenant:abc", "laptop"), ("key:other:def", "def"), ("system", "system")]
        {
            assert_eq!(makers.name(principal), name);
        }
    }
}
