//! Who may do what: authorisation returns a `Permit`, and the next step demands it (STYLE 7).

use std::marker::PhantomData;

use smcp_policy::{Action, Policy, PolicyError, Subject, Target};
use smcp_types::{Error, Refusal, Result, ServerId, TenantId};

use crate::{
    identity::VerifiedCaller,
    ports::{ServerRecord, TenantRecord, VersionRef},
};

/// A kind of permission a `Permit` can be for.
pub trait Act: sealed::Sealed {}

/// A permission that is one action of the policy, whatever it is done to.
pub trait Manage: Act {
    /// The action that the policy decides on.
    const ACTION: Action;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident $(= $action:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl sealed::Sealed for $name {}
        impl Act for $name {}
        $(impl Manage for $name {
            const ACTION: Action = Action::$action;
        })?
    )*};
}

acts! {
    /// Sending one MCP message to a server: which message decides which action.
    UseServer;
    /// Seeing that a tenant exists.
    ViewTenant = ViewTenant;
    /// Creating the tenant.
    ManageTenants = ManageTenants;
    /// Seeing which API keys a tenant has.
    ViewKeys = ViewKeys;
    /// Creating, rotating and revoking a tenant's API keys.
    ManageKeys = ManageKeys;
    /// Creating a server in a tenant.
    CreateServer = CreateServer;
    /// Seeing a server.
    ViewServer = ViewServer;
    /// Reading a server's log.
    ViewLogs = ViewLogs;
    /// Deploying and activating versions.
    Deploy = Deploy;
    /// Deleting a server.
    DeleteServer = DeleteServer;
    /// Giving a tenant's data a new key.
    RotateDataKeys = RotateDataKeys;
    /// Destroying a tenant's data with its keys.
    DestroyData = DestroyData;
    /// Replacing the master key.
    RotateMasterKey = RotateMasterKey;
    /// Seeing which secrets a server has; never their values.
    ViewSecrets = ViewSecrets;
    /// Setting and removing a server's secrets.
    ManageSecrets = ManageSecrets;
    /// Reading what a tenant's servers have stored.
    ViewData = ViewData;
    /// Changing what a tenant's servers have stored.
    ManageData = ManageData;
}

/// What a caller wants to do `A` to: only records that a store produced.
#[derive(Clone, Copy, Debug)]
pub enum On<'a> {
    /// A tenant.
    Tenant(&'a TenantRecord),
    /// A server.
    Server(&'a ServerRecord),
    /// The platform itself, whose own tenant this is.
    Platform(&'a TenantRecord),
}

/// Proof that a caller may do `A` to a tenant or a server. Only `Authority` makes one.
#[derive(Debug)]
pub struct Permit<A: Act> {
    tenant: TenantId,
    server: Option<ServerId>,
    act: PhantomData<A>,
}

impl<A: Act> Permit<A> {
    /// The tenant it is for.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether it is for this version's server.
    #[must_use]
    pub fn covers(&self, version: &VersionRef) -> bool {
        self.tenant == version.tenant && self.server == Some(version.server)
    }

    /// # Errors
    /// `Internal` when the permit is for something else: a mistake of ours that must never pass.
    pub(crate) fn require(&self, tenant: TenantId, server: Option<ServerId>) -> Result<()> {
        if self.tenant == tenant && self.server == server {
            return Ok(());
        }
        Err(Error::internal("a permit was used for something it is not for"))
    }
}

/// The one place that turns decisions of the policy into permits.
pub struct Authority {
    policy: Policy,
}

impl Authority {
    /// Compiles the built-in policies.
    ///
    /// # Errors
    /// When they do not fit the entity model; nothing may start without a policy.
    pub fn new(platform: TenantId) -> Result<Self, PolicyError> {
        Ok(Self { policy: Policy::builtin(platform)? })
    }

    /// May the caller do `A` to this?
    ///
    /// # Errors
    /// `Forbidden` when it may at least see the target, else `NotFound`: a stranger and a ghost look the same.
    pub fn authorize<A: Manage>(&self, caller: &VerifiedCaller, on: On<'_>) -> Result<Permit<A>> {
        let (tenant, server, target) = match on {
            On::Tenant(record) => (record.id, None, Target::Tenant(record.id)),
            On::Server(record) => (record.tenant, Some(record.id), Target::Server(record.tenant, record.id)),
            On::Platform(record) => (record.id, None, Target::Platform),
        };
        if self.allows(caller, A::ACTION, target) {
            return Ok(Permit { tenant, server, act: PhantomData });
        }
        Err(self.refusal(caller, A::ACTION, on))
    }

    /// May the caller send this MCP action to the server? `name` is the tool, prompt or resource it concerns.
    ///
    /// # Errors
    /// As `authorize`.
    pub fn authorize_use(
        &self,
        caller: &VerifiedCaller,
        server: &ServerRecord,
        action: Action,
        name: Option<&str>,
    ) -> Result<Permit<UseServer>> {
        let (tenant, id) = (server.tenant, server.id);
        let target = match (action, name) {
            (Action::CallTool, Some(name)) => Target::Tool(tenant, id, name),
            (Action::GetPrompt, Some(name)) => Target::Prompt(tenant, id, name),
            (Action::ReadResource, Some(uri)) => Target::Resource(tenant, id, uri),
            (_, _) => Target::Server(tenant, id),
        };
        if self.allows(caller, action, target) {
            return Ok(Permit { tenant, server: Some(id), act: PhantomData });
        }
        Err(self.refusal(caller, action, On::Server(server)))
    }

    /// A time has come that the active version names: whoever deployed it was permitted to.
    pub(crate) fn on_schedule(&self, server: &ServerRecord) -> Permit<UseServer> {
        Permit { tenant: server.tenant, server: Some(server.id), act: PhantomData }
    }

    fn refusal(&self, caller: &VerifiedCaller, action: Action, on: On<'_>) -> Error {
        let (what, view, target) = match on {
            On::Tenant(record) | On::Platform(record) => {
                ("tenant", Action::ViewTenant, Target::Tenant(record.id))
            }
            On::Server(record) => ("server", Action::ViewServer, Target::Server(record.tenant, record.id)),
        };
        if !self.allows(caller, view, target) {
            return Error::NotFound(what);
        }
        Error::Forbidden(
            Refusal::new(format!(
                "the role {} does not include `{}` here",
                caller.role_names(),
                action.as_str()
            ))
            .hint("ask an admin of the tenant for a key with another role: smcp keys create --role …"),
        )
    }

    /// Decides about a server that nobody has, and tells nobody.
    pub(crate) fn look_at_nothing(&self, caller: &VerifiedCaller) {
        let nothing = Target::Server(TenantId::from_bytes([0; 16]), ServerId::from_bytes([0; 16]));
        std::hint::black_box(self.allows(caller, Action::ViewServer, nothing));
        std::hint::black_box(self.allows(caller, Action::ViewServer, nothing));
    }

    fn allows(&self, caller: &VerifiedCaller, action: Action, target: Target<'_>) -> bool {
        let subject = Subject {
            id: caller.principal(),
            kind: caller.kind(),
            tenant: caller.tenant(),
            roles: caller.roles(),
            servers: caller.servers(),
        };
        self.policy.decide(&subject, action, target).allowed
    }
}
