//! The whole permission matrix, and what every refusal rests on.

use std::fmt::Write as _;

use super::*;

const PLATFORM: TenantId = TenantId::from_bytes([0; 16]);
const HOME: TenantId = TenantId::from_bytes([1; 16]);
const NEIGHBOUR: TenantId = TenantId::from_bytes([2; 16]);
const SERVER: ServerId = ServerId::from_bytes([3; 16]);
const OTHER_SERVER: ServerId = ServerId::from_bytes([4; 16]);

fn target(action: Action, tenant: TenantId) -> Target<'static> {
    match action {
        Action::Connect
        | Action::List
        | Action::UseExtension
        | Action::ViewServer
        | Action::ViewLogs
        | Action::ViewSecrets
        | Action::ManageSecrets
        | Action::Deploy
        | Action::DeleteServer => Target::Server(tenant, SERVER),
        Action::CallTool => Target::Tool(tenant, SERVER, "add"),
        Action::GetPrompt => Target::Prompt(tenant, SERVER, "hello"),
        Action::ReadResource => Target::Resource(tenant, SERVER, "notes://1"),
        Action::ViewTenant
        | Action::ViewKeys
        | Action::ManageTenants
        | Action::ManageKeys
        | Action::CreateServer
        | Action::ViewData
        | Action::ManageData
        | Action::RotateDataKeys
        | Action::DestroyData => Target::Tenant(tenant),
        Action::RotateMasterKey => Target::Platform,
    }
}

fn subject(tenant: TenantId, roles: &[Role]) -> Subject<'_> {
    Subject { id: "caller", kind: "api_key", tenant, roles, servers: None }
}

#[test]
fn the_matrix_of_roles_and_actions() {
    let policy = Policy::builtin(PLATFORM).unwrap();
    let mut table = String::new();
    for action in Action::ALL {
        write!(table, "\n{:<17}", action.as_str()).unwrap();
        for (home, place) in [(HOME, HOME), (HOME, NEIGHBOUR), (PLATFORM, HOME)] {
            for role in Role::ALL {
                let allowed = policy.decide(&subject(home, &[role]), action, target(action, place)).allowed;
                table.push_str(if allowed { " yes" } else { "  - " });
            }
            table.push_str(" |");
        }
    }
    // Columns: admin, mcp_user, read_only — at home | at a neighbour's | from the platform's tenant.
    insta::assert_snapshot!(table, @r"

    connect           yes yes yes |  -   -   -  |  -   -   -  |
    list              yes yes yes |  -   -   -  |  -   -   -  |
    call_tool         yes yes  -  |  -   -   -  |  -   -   -  |
    get_prompt        yes yes  -  |  -   -   -  |  -   -   -  |
    read_resource     yes yes  -  |  -   -   -  |  -   -   -  |
    use_extension     yes yes  -  |  -   -   -  |  -   -   -  |
    view_tenant       yes yes yes |  -   -   -  | yes yes yes |
    view_server       yes yes yes |  -   -   -  | yes yes yes |
    view_keys         yes  -  yes |  -   -   -  | yes  -  yes |
    view_logs         yes  -  yes |  -   -   -  | yes  -  yes |
    manage_tenants     -   -   -  |  -   -   -  | yes  -   -  |
    manage_keys       yes  -   -  |  -   -   -  | yes  -   -  |
    create_server     yes  -   -  |  -   -   -  | yes  -   -  |
    deploy            yes  -   -  |  -   -   -  | yes  -   -  |
    delete_server     yes  -   -  |  -   -   -  | yes  -   -  |
    rotate_data_keys  yes  -   -  |  -   -   -  | yes  -   -  |
    destroy_data      yes  -   -  |  -   -   -  | yes  -   -  |
    rotate_master_key  -   -   -  |  -   -   -  | yes  -   -  |
    view_secrets      yes  -  yes |  -   -   -  | yes  -  yes |
    manage_secrets    yes  -   -  |  -   -   -  | yes  -   -  |
    view_data         yes  -   -  |  -   -   -  |  -   -   -  |
    manage_data       yes  -   -  |  -   -   -  |  -   -   -  |
    ");
}

#[test]
fn no_role_is_no_permission() {
    let policy = Policy::builtin(PLATFORM).unwrap();
    for action in Action::ALL {
        assert!(!policy.decide(&subject(HOME, &[]), action, target(action, HOME)).allowed, "{action:?}");
    }
}

#[test]
fn a_limited_credential_reaches_its_servers_alone() {
    let policy = Policy::builtin(PLATFORM).unwrap();
    for (servers, expected) in [(vec![SERVER], true), (vec![OTHER_SERVER], false), (vec![], false)] {
        let limited = Subject { servers: Some(&servers), ..subject(HOME, &[Role::Admin]) };
        for action in [Action::Connect, Action::List, Action::CallTool, Action::ViewServer, Action::Deploy] {
            assert_eq!(policy.decide(&limited, action, target(action, HOME)).allowed, expected, "{action:?}");
        }
        assert!(!policy.decide(&limited, Action::ManageKeys, Target::Tenant(HOME)).allowed);
    }
}

#[test]
fn reasons_name_the_policy() {
    let policy = Policy::builtin(PLATFORM).unwrap();
    let staff = subject(PLATFORM, &[Role::Admin]);
    let refused = policy.decide(&staff, Action::CallTool, target(Action::CallTool, HOME));
    assert_eq!(refused, Decision { allowed: false, reasons: vec!["tenant_privacy".to_owned()] });
}

#[test]
fn hostile_names_stay_strings() {
    let policy = Policy::builtin(PLATFORM).unwrap();
    let user = subject(HOME, &[Role::McpUser]);
    for name in ["", "\"", "a\" || true", "Smcp::Role::\"admin\"", "\0", "../other", &"x".repeat(10_000)] {
        assert!(policy.decide(&user, Action::CallTool, Target::Tool(HOME, SERVER, name)).allowed);
        assert!(!policy.decide(&user, Action::CallTool, Target::Tool(NEIGHBOUR, SERVER, name)).allowed);
    }
}
