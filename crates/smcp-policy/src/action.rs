//! What can be done, and what to.

use smcp_types::{ServerId, TenantId};

/// Something a caller wants to do. The names are those of `model.cedarschema`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Open a connection: `initialize`, `server/discover`, `ping`, notifications.
    Connect,
    /// List tools, prompts, resources and templates.
    List,
    /// Call a tool.
    CallTool,
    /// Get a prompt, or complete its arguments.
    GetPrompt,
    /// Read a resource, subscribe to it, or complete its template.
    ReadResource,
    /// Send a method that only an extension defines.
    UseExtension,
    /// See that a tenant exists.
    ViewTenant,
    /// See a server, its versions and its state.
    ViewServer,
    /// See which API keys there are; never the keys.
    ViewKeys,
    /// Read a server's log.
    ViewLogs,
    /// Create a tenant; done to the tenant that is to be.
    ManageTenants,
    /// Create, rotate and revoke API keys.
    ManageKeys,
    /// Create a server.
    CreateServer,
    /// Deploy and activate versions.
    Deploy,
    /// Delete a server.
    DeleteServer,
    /// Give a tenant's data a new key.
    RotateDataKeys,
    /// Destroy the keys of a tenant's data, and so the data.
    DestroyData,
    /// Replace the master key.
    RotateMasterKey,
    /// See which secrets a server has; never their values.
    ViewSecrets,
    /// Set and remove a server's secrets.
    ManageSecrets,
    /// Read what a tenant's servers have stored: KV, objects, SQL databases.
    ViewData,
    /// Change it.
    ManageData,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 22] = [
        Self::Connect,
        Self::List,
        Self::CallTool,
        Self::GetPrompt,
        Self::ReadResource,
        Self::UseExtension,
        Self::ViewTenant,
        Self::ViewServer,
        Self::ViewKeys,
        Self::ViewLogs,
        Self::ManageTenants,
        Self::ManageKeys,
        Self::CreateServer,
        Self::Deploy,
        Self::DeleteServer,
        Self::RotateDataKeys,
        Self::DestroyData,
        Self::RotateMasterKey,
        Self::ViewSecrets,
        Self::ManageSecrets,
        Self::ViewData,
        Self::ManageData,
    ];

    /// Its name in policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::List => "list",
            Self::CallTool => "call_tool",
            Self::GetPrompt => "get_prompt",
            Self::ReadResource => "read_resource",
            Self::UseExtension => "use_extension",
            Self::ViewTenant => "view_tenant",
            Self::ViewServer => "view_server",
            Self::ViewKeys => "view_keys",
            Self::ViewLogs => "view_logs",
            Self::ManageTenants => "manage_tenants",
            Self::ManageKeys => "manage_keys",
            Self::CreateServer => "create_server",
            Self::Deploy => "deploy",
            Self::DeleteServer => "delete_server",
            Self::RotateDataKeys => "rotate_data_keys",
            Self::DestroyData => "destroy_data",
            Self::RotateMasterKey => "rotate_master_key",
            Self::ViewSecrets => "view_secrets",
            Self::ManageSecrets => "manage_secrets",
            Self::ViewData => "view_data",
            Self::ManageData => "manage_data",
        }
    }
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// The platform itself.
    Platform,
    /// A tenant.
    Tenant(TenantId),
    /// A server of a tenant.
    Server(TenantId, ServerId),
    /// A tool of a server, by name.
    Tool(TenantId, ServerId, &'a str),
    /// A prompt of a server, by name.
    Prompt(TenantId, ServerId, &'a str),
    /// A resource of a server, by URI.
    Resource(TenantId, ServerId, &'a str),
}
