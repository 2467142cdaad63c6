//! `smcp tenants`: create and list them, and set their ceilings.

use clap::{Args, Subcommand};
use smcp_api::{Ceilings, NewTenant, Tenant, TenantList};
use smcp_types::Limit;

use super::{Context, connection::Connection, failure::Failure, table::table, text::time, values};

#[derive(Debug, Args)]
pub(crate) struct TenantsArgs {
    #[command(subcommand)]
    command: Option<TenantsCommand>,
}

#[derive(Debug, Subcommand)]
enum TenantsCommand {
    /// Create a tenant
    Create {
        /// Its name: a-z, 0-9 and single hyphens; never given out twice
        #[arg(value_parser = values::slug)]
        slug: String,
    },
    /// List the tenants the key may see
    List,
    /// Show what a tenant's manifests may ask for at most, or change it
    Limits {
        /// The tenant
        #[arg(value_parser = values::slug)]
        slug: String,
        /// New ceilings, such as memory_mb=256; a name without a value gives the platform's ceiling back
        #[arg(value_parser = values::ceiling, value_name = "LIMIT=VALUE")]
        changes: Vec<(String, Option<u32>)>,
    },
}

pub(crate) fn run(context: &Context, args: TenantsArgs) -> Result<(), Failure> {
    match args.command.unwrap_or(TenantsCommand::List) {
        TenantsCommand::Create { slug } => create(context, slug),
        TenantsCommand::List => list(context),
        TenantsCommand::Limits { slug, changes } => limits(context, &slug, changes),
    }
}

fn create(context: &Context, slug: String) -> Result<(), Failure> {
    let tenant = Connection::open(context)?.client.create_tenant(&NewTenant { slug })?;
    context.out.data(&tenant, || format!("created {}", tenant.slug))?;
    context.out.talk(&format!("next: smcp keys create --tenant {} --role admin", tenant.slug));
    Ok(())
}

fn list(context: &Context) -> Result<(), Failure> {
    let connection = Connection::open(context)?;
    let mut items: Vec<Tenant> = Vec::new();
    let mut after = None;
    loop {
        let page = connection.client.list_tenants(after.as_deref())?;
        items.extend(page.items);
        // A page that leads to itself would go on for ever.
        if page.next.is_none() || page.next == after {
            break;
        }
        after = page.next;
    }
    let list = TenantList { items, next: None };
    context.out.data(&list, || {
        let rows =
            list.items.iter().map(|tenant| [tenant.slug.clone(), time(tenant.created_at), tenant.id.clone()]);
        table(["TENANT", "CREATED", "ID"], rows)
    })
}

fn limits(context: &Context, slug: &str, changes: Vec<(String, Option<u32>)>) -> Result<(), Failure> {
    let client = Connection::open(context)?.client;
    let tenant = if changes.is_empty() {
        client.get_tenant(slug)?
    } else {
        client.set_ceilings(slug, &Ceilings { ceilings: changes.into_iter().collect() })?
    };
    context.out.data(&tenant, || {
        let rows = Limit::ALL.map(|limit| {
            let ceiling = tenant.ceilings.get(limit.key()).map_or_else(|| "-".to_owned(), u32::to_string);
            let bounds = limit.bounds();
            [limit.key().to_owned(), bounds.default.to_string(), ceiling, bounds.unit.to_owned()]
        });
        table(["LIMIT", "DEFAULT", "CEILING", "UNIT"], rows)
    })
}
