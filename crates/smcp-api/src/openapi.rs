//! The OpenAPI 3.1 document, made from the operations and the wire types. `openapi/v1.json` is a copy under test.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::{
    Ceilings, DataKey, DataKeyList, Database, DatabaseImport, DatabaseList, DatabaseQuery, DatabaseResult,
    DatabaseResults, DatabaseScript, Deploy, DeployedVersion, Health, IssuedKey, Key, KeyList, KvEntry,
    KvKey, KvKeyPage, LogLevel, LogLine, LogPage, LogSource, ModuleKind, NewKey, NewTenant, OPERATIONS,
    ObjectPage, Operation, PROBLEM_JSON, Problem, ResealedStore, Resealing, RotateKey, RotatedMasterKey,
    Secret, SecretList, SecretValue, Server, ServerList, ServerState, ServerUsage, StoreList, StoreSummary,
    StoredObject, Tenant, TenantList, UploadedModule, Usage, UsageReport, Version, VersionList,
    VersionSummary, WhoAmI,
};

macro_rules! schemas {
    ($($name:ident),*) => {{
        let mut all = Map::new();
        $(all.insert(<$name as ToSchema>::name().into_owned(), schema_of::<$name>());)*
        Value::Object(all)
    }};
}

/// The document. The same for every node: where it is reached says `servers`, relative.
#[must_use]
pub fn document() -> Value {
    let schemas = schemas!(
        Ceilings,
        DataKey,
        DataKeyList,
        Database,
        DatabaseImport,
        DatabaseList,
        DatabaseQuery,
        DatabaseResult,
        DatabaseResults,
        DatabaseScript,
        Deploy,
        DeployedVersion,
        Health,
        IssuedKey,
        Key,
        KeyList,
        KvEntry,
        KvKey,
        KvKeyPage,
        LogLevel,
        LogLine,
        LogPage,
        LogSource,
        ModuleKind,
        NewKey,
        NewTenant,
        ObjectPage,
        Problem,
        ResealedStore,
        Resealing,
        RotateKey,
        RotatedMasterKey,
        Secret,
        SecretList,
        SecretValue,
        Server,
        ServerList,
        ServerState,
        ServerUsage,
        StoreList,
        StoreSummary,
        StoredObject,
        Tenant,
        TenantList,
        UploadedModule,
        Usage,
        UsageReport,
        Version,
        VersionList,
        VersionSummary,
        WhoAmI
    );
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "SMCP management API",
            "version": "1",
            "description": "Tenants, servers, versions, keys and logs of an SMCP platform. Errors are problem documents \
                            (RFC 9457) with a request id.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "apiKey": [] }],
        "paths": paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "bearer", "description": "smcp_<tenantId>_<random>" },
            },
        },
    });
    // Some builds of serde_json keep the order of insertion: the document must be the same from all of them.
    document.sort_all_objects();
    document
}

fn schema_of<T: PartialSchema>() -> Value {
    // A derived schema is plain data; a test reads every one of them.
    serde_json::to_value(T::schema()).unwrap_or_default()
}

fn paths() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method.as_str().to_ascii_lowercase()] = describe(operation);
    }
    Value::Object(paths)
}

fn describe(operation: &Operation) -> Value {
    let mut out = json!({
        "operationId": operation.id.as_str(),
        "summary": operation.summary,
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    if let Some(request) = operation.request {
        out["requestBody"] =
            json!({ "required": true, "content": { "application/json": reference(request) } });
    }
    if !operation.authenticated {
        out["security"] = json!([]);
    }
    out
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path =
        operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(
            |name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    let in_query = operation.query.iter().map(|(name, description)| {
        json!({ "name": name, "in": "query", "description": description, "schema": { "type": "string" } })
    });
    in_path.chain(in_query).collect()
}

fn responses(operation: &Operation) -> Value {
    let (status, schema) = operation.response;
    let good = match schema {
        Some(name) => json!({ "description": "Done", "content": { "application/json": reference(name) } }),
        None => json!({ "description": "Done" }),
    };
    let problem =
        json!({ "description": "Refused or failed", "content": { PROBLEM_JSON: reference("Problem") } });
    let mut out = Map::new();
    out.insert(status.to_string(), good);
    out.insert("default".to_owned(), problem);
    Value::Object(out)
}

fn reference(schema: &str) -> Value {
    json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } })
}

#[cfg(test)]
mod tests;
