//! `smcp tenants`: create and list them.

use clap::{Args, Subcommand};
use smcp_api::{NewTenant, Tenant, TenantList};

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
}

pub(crate) fn run(context: &Context, args: TenantsArgs) -> Result<(), Failure> {
    match args.command.unwrap_or(TenantsCommand::List) {
        TenantsCommand::Create { slug } => create(context, slug),
        TenantsCommand::List => list(context),
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
