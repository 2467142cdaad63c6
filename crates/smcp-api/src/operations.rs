//! The operations: one table that the router, the OpenAPI document, the client and the tests of every route read.

/// HTTP methods the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// DELETE
    Delete,
}

impl Method {
    /// In capitals, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// One operation of the API.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Which one.
    pub id: OperationId,
    /// Its method.
    pub method: Method,
    /// Its path, parameters in braces.
    pub path: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Name of the request's schema.
    pub request: Option<&'static str>,
    /// Status and name of the answer's schema.
    pub response: (u16, Option<&'static str>),
    /// Query parameters: name and what it is.
    pub query: &'static [(&'static str, &'static str)],
    /// Whether it needs a credential. What it needs beyond that is the policy's to say.
    pub authenticated: bool,
}

macro_rules! operations {
    ($($id:ident: $method:ident $path:literal, $summary:literal,
       $request:expr => $status:literal $response:expr, $query:expr, $authenticated:literal;)*) => {
        /// The name of an operation; `operationId` in the OpenAPI document.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum OperationId {
            $(#[doc = $summary] $id,)*
        }

        impl OperationId {
            /// The name in the OpenAPI document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$id => stringify!($id),)* }
            }

            /// The operation.
            #[must_use]
            pub const fn operation(self) -> &'static Operation {
                &OPERATIONS[self as usize]
            }
        }

        /// Every operation.
        pub const OPERATIONS: &[Operation] = &[$(Operation {
            id: OperationId::$id,
            method: Method::$method,
            path: $path,
            summary: $summary,
            request: $request,
            response: ($status, $response),
            query: $query,
            authenticated: $authenticated,
        },)*];
    };
}

const PAGE: &[(&str, &str)] =
    &[("after", "The `next` of the page before"), ("limit", "Most items, 1 to 200")];
const PART: &[(&str, &str)] = &[
    ("prefix", "Keys that begin with this"),
    ("limit", "Most keys, 1 to 1000"),
    ("after", "The `next` of the page before"),
];
const KEY: &[(&str, &str)] = &[("key", "The key")];
const OBJECT: &[(&str, &str)] = &[
    ("key", "The key"),
    ("content_type", "What the content is"),
    ("metadata", "Custom metadata: a JSON object of strings"),
];
const LOGS: &[(&str, &str)] = &[
    ("limit", "Most lines, 1 to 2000"),
    ("level", "debug, info, warn or error: nothing quieter"),
    ("request", "The id of a request: its lines alone"),
    ("trace", "The id of a trace: its lines alone"),
    ("follow", "true: an event stream of the lines as they come, after the last ones"),
];

operations! {
    WhoAmI: Get "/api/v1/whoami", "Whom the key stands for",
        None => 200 Some("WhoAmI"), &[], true;
    GetHealth: Get "/api/v1/health", "How the platform is",
        None => 200 Some("Health"), &[], true;
    GetOpenApi: Get "/api/v1/openapi.json", "This document",
        None => 200 None, &[], false;
    ListTenants: Get "/api/v1/tenants", "The tenants the caller may see",
        None => 200 Some("TenantList"), PAGE, true;
    CreateTenant: Post "/api/v1/tenants", "Create a tenant",
        Some("NewTenant") => 201 Some("Tenant"), &[], true;
    GetTenant: Get "/api/v1/tenants/{tenant}", "One tenant",
        None => 200 Some("Tenant"), &[], true;
    SetCeilings: Post "/api/v1/tenants/{tenant}/ceilings", "Set what a tenant's manifests may ask for at most",
        Some("Ceilings") => 200 Some("Tenant"), &[], true;
    GetUsage: Get "/api/v1/tenants/{tenant}/usage", "What a tenant's servers have used since the platform started",
        None => 200 Some("UsageReport"), &[], true;
    ListKeys: Get "/api/v1/tenants/{tenant}/keys", "The API keys of a tenant",
        None => 200 Some("KeyList"), &[], true;
    CreateKey: Post "/api/v1/tenants/{tenant}/keys", "Create an API key; it is shown this once",
        Some("NewKey") => 201 Some("IssuedKey"), &[], true;
    RotateKey: Post "/api/v1/tenants/{tenant}/keys/{key}/rotate", "Give a key a new secret",
        Some("RotateKey") => 200 Some("IssuedKey"), &[], true;
    RevokeKey: Delete "/api/v1/tenants/{tenant}/keys/{key}", "End a key, at once and for good",
        None => 200 Some("Key"), &[], true;
    ListDataKeys: Get "/api/v1/tenants/{tenant}/data-keys",
        "The keys a tenant's data is encrypted with, and how far their rotation is",
        None => 200 Some("DataKeyList"), &[], true;
    RotateDataKeys: Post "/api/v1/tenants/{tenant}/data-keys/rotate",
        "Give a tenant's data a new key, and move what is stored to it in the background",
        None => 200 Some("DataKeyList"), &[], true;
    DestroyData: Delete "/api/v1/tenants/{tenant}/data-keys",
        "Destroy the keys of a tenant's data: what it has stored cannot be read again",
        None => 200 Some("DataKeyList"), &[], true;
    RotateMasterKey: Post "/api/v1/tenants/{tenant}/master-key/rotate",
        "Replace the master key; the tenant is the platform's own",
        None => 200 Some("RotatedMasterKey"), &[], true;
    ListServers: Get "/api/v1/tenants/{tenant}/servers", "The servers of a tenant and how they are",
        None => 200 Some("ServerList"), PAGE, true;
    GetServer: Get "/api/v1/tenants/{tenant}/servers/{server}", "One server and how it is",
        None => 200 Some("Server"), &[], true;
    DeleteServer: Delete "/api/v1/tenants/{tenant}/servers/{server}", "Delete a server with all its versions",
        None => 204 None, &[], true;
    LiftQuarantine: Post "/api/v1/tenants/{tenant}/servers/{server}/lift", "End the quarantine of a server",
        None => 200 Some("Server"), &[], true;
    ListVersions: Get "/api/v1/tenants/{tenant}/servers/{server}/versions", "The versions of a server",
        None => 200 Some("VersionList"), &[], true;
    DeployVersion: Post "/api/v1/tenants/{tenant}/servers/{server}/versions",
        "Check a bundle by starting it once, and store it",
        Some("Deploy") => 201 Some("DeployedVersion"), &[], true;
    GetVersion: Get "/api/v1/tenants/{tenant}/servers/{server}/versions/{version}", "One version",
        None => 200 Some("Version"), &[], true;
    ActivateVersion: Post "/api/v1/tenants/{tenant}/servers/{server}/versions/{version}/activate",
        "Send calls to this version, forwards or back",
        None => 200 Some("Server"), &[], true;
    ListSecrets: Get "/api/v1/tenants/{tenant}/servers/{server}/secrets", "Which secrets a server has; never their values",
        None => 200 Some("SecretList"), &[], true;
    SetSecret: Post "/api/v1/tenants/{tenant}/servers/{server}/secrets/{secret}",
        "Give a secret a value, whether it has one or not",
        Some("SecretValue") => 200 Some("Secret"), &[], true;
    RotateSecret: Post "/api/v1/tenants/{tenant}/servers/{server}/secrets/{secret}/rotate",
        "Give a secret that has a value another one",
        Some("SecretValue") => 200 Some("Secret"), &[], true;
    RemoveSecret: Delete "/api/v1/tenants/{tenant}/servers/{server}/secrets/{secret}", "Remove a secret",
        None => 204 None, &[], true;
    ListDatabases: Get "/api/v1/tenants/{tenant}/d1", "The SQL databases of a tenant's servers",
        None => 200 Some("DatabaseList"), &[], true;
    QueryDatabase: Post "/api/v1/tenants/{tenant}/d1/{database}/query", "Run SQL statements in a database",
        Some("DatabaseQuery") => 200 Some("DatabaseResults"), &[], true;
    ExportDatabase: Get "/api/v1/tenants/{tenant}/d1/{database}/export", "A database as a SQL script, application/sql",
        None => 200 None, &[], true;
    ImportDatabase: Post "/api/v1/tenants/{tenant}/d1/{database}/import",
        "Run a SQL script, all of it or nothing; makes the database if it is not there",
        Some("DatabaseScript") => 200 Some("DatabaseImport"), &[], true;
    DeleteDatabase: Delete "/api/v1/tenants/{tenant}/d1/{database}", "Delete a database with all that is in it",
        None => 204 None, &[], true;
    ListKvNamespaces: Get "/api/v1/tenants/{tenant}/kv", "The KV namespaces of a tenant's servers",
        None => 200 Some("StoreList"), &[], true;
    ListKvKeys: Get "/api/v1/tenants/{tenant}/kv/{namespace}/keys", "The keys of a KV namespace",
        None => 200 Some("KvKeyPage"), PART, true;
    GetKvEntry: Get "/api/v1/tenants/{tenant}/kv/{namespace}/entry", "A value of a KV namespace",
        None => 200 Some("KvEntry"), KEY, true;
    PutKvEntry: Post "/api/v1/tenants/{tenant}/kv/{namespace}/entry", "Store a value in the place of the one before",
        Some("KvEntry") => 204 None, KEY, true;
    DeleteKvEntry: Delete "/api/v1/tenants/{tenant}/kv/{namespace}/entry", "Remove a value",
        None => 204 None, KEY, true;
    ListBuckets: Get "/api/v1/tenants/{tenant}/objects", "The buckets of a tenant's servers",
        None => 200 Some("StoreList"), &[], true;
    ListObjects: Get "/api/v1/tenants/{tenant}/objects/{bucket}/keys", "The objects of a bucket",
        None => 200 Some("ObjectPage"), PART, true;
    GetObject: Get "/api/v1/tenants/{tenant}/objects/{bucket}/object", "An object's content, as it is",
        None => 200 None, KEY, true;
    PutObject: Post "/api/v1/tenants/{tenant}/objects/{bucket}/object",
        "Store the body, of a length that is announced, in the place of the object before",
        None => 200 Some("StoredObject"), OBJECT, true;
    DeleteObject: Delete "/api/v1/tenants/{tenant}/objects/{bucket}/object", "Remove an object",
        None => 204 None, KEY, true;
    GetLogs: Get "/api/v1/tenants/{tenant}/servers/{server}/logs", "What a server printed",
        None => 200 Some("LogPage"), LOGS, true;
}
