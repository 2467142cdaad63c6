//! `smcp keys status`, `rotate-data`, `destroy-data` and `rotate-master`: the keys of encryption at rest.

use smcp_api::{DataKeyList, RotatedMasterKey};
use smcp_client::ClientError;
use smcp_types::Slug;

use super::{Context, connection::Connection, failure::Failure, table::table, text::time};

pub(super) fn status(context: &Context, connection: &Connection, tenant: &str) -> Result<(), Failure> {
    let keys = connection.client.list_data_keys(tenant)?;
    show(context, &keys)?;
    if keys.items.is_empty() {
        context.out.talk("The first thing this tenant stores makes its first key.");
    }
    talk_about_progress(context, &keys);
    Ok(())
}

pub(super) fn rotate(context: &Context, connection: &Connection, tenant: &str) -> Result<(), Failure> {
    let keys = connection.client.rotate_data_keys(tenant)?;
    show(context, &keys)?;
    context.out.talk(&format!(
        "What is written now is sealed under the new key; the rest is moved to it in the background.\n\
         next: smcp keys status --tenant {tenant}"
    ));
    Ok(())
}

pub(super) fn destroy(
    context: &Context,
    connection: &Connection,
    tenant: &str,
    yes: bool,
) -> Result<(), Failure> {
    if !yes {
        let message = format!(
            "this makes everything that {tenant} has stored in KV, objects, secrets and bundles unreadable, for everybody and for good; SQL databases, Durable Objects and logs are not encrypted and stay"
        );
        let hint = format!("smcp keys destroy-data --tenant {tenant} --yes");
        return Err(Failure::input(message).hint(hint));
    }
    let keys = connection.client.destroy_data(tenant)?;
    show(context, &keys)?;
    context.out.talk(
        "The keys are gone. Backups made before still hold them, wrapped: they are gone from there too once the master \
         key is replaced and the old one is forgotten (smcp keys rotate-master).",
    );
    Ok(())
}

pub(super) fn rotate_master(context: &Context, connection: &Connection) -> Result<(), Failure> {
    let rotated = connection.client.rotate_master_key(Slug::platform().as_str());
    let rotated: RotatedMasterKey = rotated.map_err(|error| match error {
        // To a tenant's own people the platform's tenant is not there.
        ClientError::Problem(problem) if problem.status == 404 => {
            Failure::input("the master key is the platform's, and this key is a tenant's")
                .hint("use a key of the platform's administrators: SMCP_KEY gives one for once")
        }
        error => error.into(),
    })?;
    context.out.data(&rotated, || {
        let RotatedMasterKey { ring_keys, data_keys, .. } = &rotated;
        format!("the new master key wraps {ring_keys} keys of the platform and {data_keys} of tenants' data")
    })?;
    if let Some(note) = &rotated.note {
        context.out.talk(note);
    }
    Ok(())
}

fn show(context: &Context, keys: &DataKeyList) -> Result<(), Failure> {
    context.out.data(keys, || {
        let rows = keys
            .items
            .iter()
            .map(|key| [key.id.clone(), key.state.clone(), time(key.since), time(key.created_at)]);
        table(["DATA KEY", "STATE", "SINCE", "CREATED"], rows)
    })
}

fn talk_about_progress(context: &Context, keys: &DataKeyList) {
    let Some(resealing) = &keys.resealing else { return };
    for store in &resealing.stores {
        let how = if store.done { "looked through" } else { "being looked through" };
        let damaged = match store.damaged {
            0 => String::new(),
            damaged => format!(", {damaged} damaged: the node's log names them"),
        };
        let waiting = match store.waiting {
            0 => String::new(),
            waiting => format!(", {waiting} still being written"),
        };
        context.out.talk(&format!("{}: {how}, {} resealed{waiting}{damaged}", store.store, store.resealed));
    }
    if let Some(at) = resealing.again_at {
        context.out.talk(&format!("tried again at {}", time(at)));
    }
}
