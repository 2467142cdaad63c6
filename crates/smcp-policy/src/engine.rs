//! The Cedar engine behind `Policy::decide`.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use smcp_types::{ServerId, TenantId};

use crate::{Action, Role, Target};

const SCHEMA: &str = include_str!("model.cedarschema");
const ROLES: &str = include_str!("roles.cedar");

/// Who asks, as verification found out.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The caller's id, unique over the platform.
    pub id: &'a str,
    /// What kind of credential: `api_key` for now.
    pub kind: &'static str,
    /// The tenant its roles count in.
    pub tenant: TenantId,
    /// Its roles.
    pub roles: &'a [Role],
    /// Servers the credential is limited to; `None` for all of the tenant.
    pub servers: Option<&'a [ServerId]>,
}

/// The answer, and which policies made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Allowed or not. Anything but a clear yes is a no.
    pub allowed: bool,
    /// Ids of the policies that determined the answer.
    pub reasons: Vec<String>,
}

/// The policies do not load or do not fit the model; nothing may run without them.
#[derive(Debug, thiserror::Error)]
#[error("policy: {0}")]
pub struct PolicyError(String);

impl PolicyError {
    fn new(what: &str, why: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {why}"))
    }
}

/// Compiled policies, with every name that a decision needs already parsed.
pub struct Policy {
    authorizer: Authorizer,
    set: PolicySet,
    types: Types,
    actions: HashMap<Action, EntityUid>,
    /// What every decision shares: the groups of actions and the platform's tenant.
    fixed: Entities,
    platform: EntityUid,
}

struct Types {
    platform: EntityTypeName,
    tenant: EntityTypeName,
    server: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
    caller: EntityTypeName,
    role: EntityTypeName,
}

impl Types {
    fn parse() -> Result<Self, PolicyError> {
        let name = |text: &str| {
            EntityTypeName::from_str(&format!("Smcp::{text}")).map_err(|e| PolicyError::new("entity type", e))
        };
        Ok(Self {
            platform: name("Platform")?,
            tenant: name("Tenant")?,
            server: name("Server")?,
            tool: name("Tool")?,
            prompt: name("Prompt")?,
            resource: name("Resource")?,
            caller: name("Caller")?,
            role: name("Role")?,
        })
    }
}

fn uid(kind: &EntityTypeName, id: impl AsRef<str>) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

impl Policy {
    /// Compiles the built-in roles and checks them strictly against the entity model.
    ///
    /// # Errors
    /// When they do not parse or do not fit: a build that is broken, refused before it decides anything.
    pub fn builtin(platform: TenantId) -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|e| PolicyError::new("schema", e))?;
        let set = PolicySet::from_str(ROLES).map_err(|e| PolicyError::new("roles", e))?;
        let checked = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
        if !checked.validation_passed() {
            let why: Vec<String> = checked.validation_errors().map(ToString::to_string).collect();
            return Err(PolicyError::new("roles do not fit the model", why.join("; ")));
        }
        let types = Types::parse()?;
        let kind =
            EntityTypeName::from_str("Smcp::Action").map_err(|e| PolicyError::new("action type", e))?;
        let actions = Action::ALL.into_iter().map(|action| (action, uid(&kind, action.as_str()))).collect();
        let platform = uid(&types.tenant, platform.to_string());
        let groups = schema.action_entities().map_err(|e| PolicyError::new("action groups", e))?;
        let fixed = groups
            .add_entities([Entity::with_uid(platform.clone())], None)
            .map_err(|e| PolicyError::new("fixed entities", e))?;
        Ok(Self { authorizer: Authorizer::new(), set: named(&set)?, types, actions, fixed, platform })
    }

    /// Decides. An error inside the engine, or inside any policy, is a refusal.
    #[must_use]
    pub fn decide(&self, subject: &Subject<'_>, action: Action, target: Target<'_>) -> Decision {
        self.try_decide(subject, action, target)
            .unwrap_or_else(|error| Decision { allowed: false, reasons: vec![error.to_string()] })
    }

    fn try_decide(
        &self,
        subject: &Subject<'_>,
        action: Action,
        target: Target<'_>,
    ) -> Result<Decision, PolicyError> {
        let mut entities = Vec::with_capacity(5);
        let caller = self.add_caller(subject, &mut entities)?;
        let resource = self.add_target(target, &mut entities)?;
        let verb = self.actions.get(&action).ok_or_else(|| PolicyError::new("action", action.as_str()))?;
        let request = Request::new(caller, verb.clone(), resource, Context::empty(), None)
            .map_err(|e| PolicyError::new("request", e))?;
        let entities = self
            .fixed
            .clone()
            .upsert_entities(entities, None)
            .map_err(|e| PolicyError::new("entities", e))?;
        let answer = self.authorizer.is_authorized(&request, &self.set, &entities);
        let failed = answer.diagnostics().errors().next().is_some();
        Ok(Decision {
            allowed: answer.decision() == CedarDecision::Allow && !failed,
            reasons: answer.diagnostics().reason().map(ToString::to_string).collect(),
        })
    }

    fn add_caller(
        &self,
        subject: &Subject<'_>,
        entities: &mut Vec<Entity>,
    ) -> Result<EntityUid, PolicyError> {
        let home = self.add_tenant(subject.tenant, entities);
        let roles = subject.roles.iter().map(|role| uid(&self.types.role, role.as_str())).collect();
        let mut attributes = HashMap::from([
            ("tenant".to_owned(), RestrictedExpression::new_entity_uid(home)),
            ("kind".to_owned(), RestrictedExpression::new_string(subject.kind.to_owned())),
        ]);
        if let Some(servers) = subject.servers {
            let servers = servers.iter().map(|server| {
                RestrictedExpression::new_entity_uid(uid(&self.types.server, server.to_string()))
            });
            attributes.insert("servers".to_owned(), RestrictedExpression::new_set(servers));
        }
        let caller = uid(&self.types.caller, subject.id);
        entities
            .push(Entity::new(caller.clone(), attributes, roles).map_err(|e| PolicyError::new("caller", e))?);
        Ok(caller)
    }

    fn add_target(&self, target: Target<'_>, entities: &mut Vec<Entity>) -> Result<EntityUid, PolicyError> {
        let types = &self.types;
        match target {
            Target::Platform => {
                let platform = uid(&types.platform, "platform");
                entities.push(Entity::new_no_attrs(platform.clone(), HashSet::from([self.platform.clone()])));
                Ok(platform)
            }
            Target::Tenant(tenant) => Ok(self.add_tenant(tenant, entities)),
            Target::Server(tenant, server) => self.add_server(tenant, server, entities),
            Target::Tool(tenant, server, name) => {
                self.add_part((&types.tool, "name", name), (tenant, server), entities)
            }
            Target::Prompt(tenant, server, name) => {
                self.add_part((&types.prompt, "name", name), (tenant, server), entities)
            }
            Target::Resource(tenant, server, uri) => {
                self.add_part((&types.resource, "uri", uri), (tenant, server), entities)
            }
        }
    }

    fn add_tenant(&self, tenant: TenantId, entities: &mut Vec<Entity>) -> EntityUid {
        let tenant = uid(&self.types.tenant, tenant.to_string());
        if tenant != self.platform {
            let parents = HashSet::from([self.platform.clone()]);
            entities.push(Entity::new_no_attrs(tenant.clone(), parents));
        }
        tenant
    }

    fn add_server(
        &self,
        tenant: TenantId,
        server: ServerId,
        entities: &mut Vec<Entity>,
    ) -> Result<EntityUid, PolicyError> {
        let owner = self.add_tenant(tenant, entities);
        let attributes =
            HashMap::from([("tenant".to_owned(), RestrictedExpression::new_entity_uid(owner.clone()))]);
        let server = uid(&self.types.server, server.to_string());
        let entity = Entity::new(server.clone(), attributes, HashSet::from([owner]));
        entities.push(entity.map_err(|e| PolicyError::new("server", e))?);
        Ok(server)
    }

    /// A tool, prompt or resource: `(type, attribute, its name)` of `(tenant, server)`.
    fn add_part(
        &self,
        (kind, attribute, name): (&EntityTypeName, &str, &str),
        (tenant, server): (TenantId, ServerId),
        entities: &mut Vec<Entity>,
    ) -> Result<EntityUid, PolicyError> {
        let parent = self.add_server(tenant, server, entities)?;
        let owner = uid(&self.types.tenant, tenant.to_string());
        let attributes = HashMap::from([
            ("tenant".to_owned(), RestrictedExpression::new_entity_uid(owner)),
            (attribute.to_owned(), RestrictedExpression::new_string(name.to_owned())),
        ]);
        // The server's id leads, so that no name of one server can be another's entity.
        let part = uid(kind, format!("{server}/{name}"));
        let entity = Entity::new(part.clone(), attributes, HashSet::from([parent]));
        entities.push(entity.map_err(|e| PolicyError::new("part of a server", e))?);
        Ok(part)
    }
}

/// The same policies under the names their `@id` annotations give, so that a decision's reasons can be read.
fn named(set: &PolicySet) -> Result<PolicySet, PolicyError> {
    let renamed = set.policies().map(|policy| match policy.annotation("id") {
        Some(name) => policy.new_id(PolicyId::new(name)),
        None => policy.clone(),
    });
    PolicySet::from_policies(renamed).map_err(|e| PolicyError::new("policy names", e))
}

#[cfg(test)]
mod tests;
