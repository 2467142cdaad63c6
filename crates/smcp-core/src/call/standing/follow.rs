//! What listeners are told when another version of their server becomes the active one.

use serde_json::{Value, json};
use smcp_mcp::{Definitions, Era, ListKind, sse};
use smcp_types::Result;

use crate::{Platform, servers::ActiveVersion};

impl Platform {
    /// Sessions that the new version cannot serve end; the others hear which lists have changed, if the server has said that it
    /// tells (2025-11-25, Tools, List Changed Notification).
    pub(crate) async fn listeners_follow(&self, old: &Definitions, new: &ActiveVersion) -> Result<()> {
        let news = changed(old, &new.definitions);
        for standing in self.standings.all(|standing| standing.server == new.target.version.server) {
            if new.definitions.latest_of(Era::Legacy).is_none() {
                if let Some(record) = self.stores.sessions.get(standing.tenant, standing.session).await? {
                    self.end_session(&record).await?;
                }
                continue;
            }
            if !news.is_empty() {
                standing.say(&self.streams, news.clone()).await;
            }
        }
        Ok(())
    }
}

fn changed(old: &Definitions, new: &Definitions) -> Vec<sse::Event> {
    let lists = [
        ("tools", &[ListKind::Tools][..]),
        ("prompts", &[ListKind::Prompts]),
        ("resources", &[ListKind::Resources, ListKind::ResourceTemplates]),
    ];
    let tells = |name: &str| old.capabilities[name]["listChanged"] == Value::Bool(true);
    let differs = |kinds: &[ListKind]| kinds.iter().any(|kind| old.items(*kind) != new.items(*kind));
    let named = lists.iter().filter(|(name, kinds)| tells(name) && differs(kinds));
    let message =
        |name: &str| json!({ "jsonrpc": "2.0", "method": format!("notifications/{name}/list_changed") });
    named.map(|(name, _)| sse::Event::message(message(name).to_string())).collect()
}
