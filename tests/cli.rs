//! The command line without a platform: what it says, where it says it, and how it ends.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use insta::assert_snapshot;
use serde_json::Value;
use smcp_tests::cli::User;

#[test]
fn help_names_every_command() {
    let said = User::new().runs(&["--help"]);
    assert_snapshot!(said, @r"
    Host MCP servers: deploy them, call them, and decide who may

    Usage: smcp [OPTIONS] <COMMAND>

    Commands:
      up           Run a node: the whole platform in one process
      init         Start a project from a template
      deploy       Check, upload and activate the server of a folder
      servers      List, show and delete servers
      versions     List the versions of a server, and go forwards or back
      logs         Show what a server printed
      call         Call a tool of a server
      keys         Create, list, rotate and revoke API keys
      secrets      Set, list, rotate and remove secrets of a server
      kv           Look into KV namespaces, change them, move them in and out
      objects      Look into buckets of objects, change them, move them in and out
      d1           Look into SQL databases, move them in and out, delete them
      usage        Show what the servers of a tenant have used
      tenants      Create and list tenants, and set their ceilings
      login        Store the platform and the key that commands use
      logout       Forget the stored key
      whoami       Show whom the key stands for
      doctor       Show whether hosted code can run here in every layer of its sandbox
      config       Show all settings
      completions  Print completions for a shell

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --json            Print one JSON document instead of words and tables
          --endpoint <URL>  The platform to talk to [default: http://localhost:8787]
          --tenant <SLUG>   The tenant to act in [default: the tenant of the key]
    [talk]
    [exit 0]
    ");
    assert_eq!(User::new().runs(&["--version"]).status, 0);
}

#[test]
fn wrong_usage_is_the_inputs_fault() {
    let user = User::new();
    assert_snapshot!(user.runs(&["deplo"]), @r"
    [talk]
    error: unrecognized subcommand 'deplo'
        tip: a similar subcommand exists: 'deploy'
      Usage: smcp [OPTIONS] <COMMAND>
      For more information, try '--help'.
    [exit 1]
    ");
    assert_snapshot!(user.runs(&["keys", "create", "--role", "root", "--json"]), @r#"
    [talk]
    {"error":{"message":"invalid value 'root' for '--role <ROLE>'\n  [possible values: admin, mcp_user, read_only]","details":["For more information, try '--help'."]}}
    [exit 1]
    "#);
    for wrong in
        [&[][..], &["--nope"], &["call", "a"], &["logs", "Not-A-Slug"], &["logs", "a", "--limit", "0"]]
    {
        let said = user.runs(wrong);
        assert_eq!((said.status, &*said.stdout), (1, ""), "{wrong:?}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = User::new().runs(&["completions", shell]);
        assert_eq!((said.status, &*said.stderr), (0, ""), "{shell}");
        assert!(said.stdout.contains("smcp") && said.stdout.contains("deploy"), "{shell}");
    }
}

#[test]
fn init_writes_a_typescript_project_by_default() {
    let user = User::new();
    assert_snapshot!(user.runs(&["init", "notes"]), @r"
    notes/.gitignore
    notes/README.md
    notes/package.json
    notes/smcp.toml
    notes/src/index.ts
    notes/tsconfig.json
    [talk]

    next:
      cd notes
      npm install
      smcp deploy
      smcp call notes greet --arg name=Ada
    [exit 0]
    ");
    for file in ["README.md", "package.json", "smcp.toml", "src/index.ts"] {
        let text = fs::read_to_string(user.home().join("notes").join(file)).unwrap();
        assert!(text.contains("notes") && !text.contains("{{"), "{file}");
    }
}

#[test]
fn init_writes_a_javascript_project() {
    let user = User::new();
    assert_snapshot!(user.runs(&["init", "work/units", "--template", "javascript", "--json"]), @r#"
    {"server":"units","folder":"work/units","files":["README.md","server.js","smcp.toml"]}
    [talk]
    [exit 0]
    "#);
    assert_snapshot!(user.runs(&["deploy", "work/units"]), @r"
    [talk]
    collecting modules
    error: there is no API key for http://localhost:8787
    hint: smcp login --endpoint http://localhost:8787 stores one; the variable SMCP_KEY gives one for once
    [exit 1]
    ");
}

#[test]
fn init_overwrites_nothing_and_mends_names() {
    let user = User::new();
    user.write("notes/README.md", "mine");
    assert_snapshot!(user.runs(&["init", "notes", "--template", "javascript"]), @r"
    [talk]
    error: these files are there already, and nothing is overwritten
      notes/README.md
    [exit 1]
    ");
    assert_eq!(
        fs::read_dir(user.home().join("notes")).unwrap().count(),
        1,
        "nothing is written beside it either"
    );
    assert_snapshot!(user.runs(&["init", "My_Notes"]), @r#"
    [talk]
    error: "My_Notes" cannot be the name of a server: a name is made of a-z, 0-9 and hyphens
    hint: smcp init my-notes
    [exit 1]
    "#);
}

#[test]
fn config_explains_every_setting() {
    let user = User::new()
        .with("SMCP_TENANT", "acme")
        .with("SMCP_MASTER_KEY", "hush")
        .with("SMCP_LISTEN", "[::1]:9")
        // The columns are as wide as what stands in them.
        .with("XDG_DATA_HOME", "/data");
    user.write(
        ".config/smcp/config.toml",
        "[node]\nidle_after = 90\nallowed_origins = [\"https://a\", \"https://b\"]\n",
    );
    let said = user.runs(&["config", "--explain", "--endpoint", "https://smcp.example.com"]);
    assert_snapshot!(said, @r"
    SETTING                     VALUE                     FROM                FLAG                    ENVIRONMENT                      WHAT IT IS
    endpoint                    https://smcp.example.com  --endpoint          --endpoint              SMCP_ENDPOINT                    the platform that commands talk to
    key                         -                         default             -                       SMCP_KEY                         the API key that commands use; `smcp login` stores it
    tenant                      acme                      SMCP_TENANT         --tenant                SMCP_TENANT                      the tenant that commands act in
    node.data                   /data/smcp                default             --data                  SMCP_DATA                        where the node keeps everything
    node.listen                 [::1]:9                   SMCP_LISTEN         --listen                SMCP_LISTEN                      where the node listens
    node.external_url           http://localhost:9        default             --external-url          SMCP_EXTERNAL_URL                the origin the world reaches the node under
    node.allowed_origins        https://a, https://b      config.toml line 3  --allowed-origin        SMCP_ALLOWED_ORIGINS             other origins whose pages may call the node
    node.master_key_file        /data/smcp/master.key     default             --master-key-file       SMCP_MASTER_KEY_FILE             the file of the master key
    node.master_key             [set]                     SMCP_MASTER_KEY     -                       SMCP_MASTER_KEY                  the master key itself
    node.next_master_key_file   -                         default             --next-master-key-file  SMCP_NEXT_MASTER_KEY_FILE        the file of the master key that `smcp keys rotate-master` puts in force
    node.next_master_key        -                         default             -                       SMCP_NEXT_MASTER_KEY             that master key itself
    node.workerd                -                         default             --workerd               SMCP_WORKERD                     the workerd binary
    node.idle_after             90                        config.toml line 2  --idle-after            SMCP_IDLE_AFTER                  when an idle server is put to sleep
    node.max_awake              64                        default             --max-awake             SMCP_MAX_AWAKE                   how many servers may be awake at once
    node.drain                  30s                       default             --drain                 SMCP_DRAIN                       how long calls under way may take when the node stops
    egress.networks             none                      default             -                       SMCP_EGRESS_NETWORKS             networks that are not public and that single servers may reach: tenant/server=10.1.0.0/16
    egress.resolver             the system's              default             -                       SMCP_EGRESS_RESOLVER             the name server that hosts of requests to the outside are looked up at
    egress.roots                none                      default             -                       SMCP_EGRESS_ROOTS                a PEM file of certificate authorities that are believed beside the system's
    storage.tenant_mb           1024                      default             -                       SMCP_STORAGE_TENANT_MB           MiB that KV values and objects of one tenant may take together
    storage.database_mb         500 MB                    default             -                       SMCP_STORAGE_DATABASE_MB         MiB that one D1 database may take
    storage.durable_objects_mb  1024                      default             -                       SMCP_STORAGE_DURABLE_OBJECTS_MB  MiB that the Durable Objects of one server may keep
    sandbox.without             none                      default             --sandbox-without       SMCP_SANDBOX_WITHOUT             layers of the sandbox that hosted code runs without
    sandbox.strict              false                     default             --sandbox-strict        SMCP_SANDBOX_STRICT              whether any system call that workerd was not seen to use ends the process
    sandbox.uid_base            -                         default             -                       SMCP_SANDBOX_UID_BASE            the first of the 65536 user ids for servers
    [talk]

    file: [home]/.config/smcp/config.toml
    [exit 0]
    ");
    let json: Value = serde_json::from_str(&user.runs(&["config", "--json"]).stdout).unwrap();
    assert_eq!(json["settings"][8]["value"], "[set]");
    assert!(!json.to_string().contains("hush"));
}

#[test]
fn settings_that_are_wrong_come_all_at_once() {
    let user = User::new().with("SMCP_ENDPOINT", "smcp.example.com").with("SMCP_DRAIN", "soon");
    assert_snapshot!(user.runs(&["config"]), @r#"
    [talk]
    error: 2 settings are wrong
      SMCP_ENDPOINT is not a URL such as https://smcp.example.com
      SMCP_DRAIN is no duration: "soon"; write seconds, or a number with s, m, h or d, such as 24h
    [exit 1]
    "#);
    user.write(".config/smcp/config.toml", "endpoint = 1\n[node]\nlistn = \"x\"\n");
    assert_snapshot!(user.runs(&["whoami", "--json"]), @r#"
    [talk]
    {"error":{"message":"2 settings are wrong","details":["[home]/.config/smcp/config.toml: line 1: `endpoint` must be a string","[home]/.config/smcp/config.toml: line 3: unknown key `node.listn`; did you mean `node.listen`?"]}}
    [exit 1]
    "#);
}

#[test]
fn a_node_does_not_listen_to_the_network_in_the_clear() {
    assert_snapshot!(User::new().runs(&["up", "--listen", "0.0.0.0:8787"]), @r"
    [talk]
    error: a setting is wrong
      --listen is open to the network at 0.0.0.0:8787, and smcp does not speak TLS itself yet: API keys and everything tools answer could be read on the way. Listen on 127.0.0.1, or put a TLS proxy in front and name its address with --external-url https://…
    [exit 1]
    ");
}

#[test]
fn deploy_shows_every_mistake_with_its_line() {
    let user = User::new();
    assert_snapshot!(user.runs(&["deploy", "nowhere"]), @r"
    [talk]
    error: there is no nowhere/smcp.toml
    hint: smcp init NAME starts a project; smcp deploy DIR deploys the one in DIR
    [exit 1]
    ");
    user.write("a/smcp.toml", "manifest = 1\nnam = \"a\"\nmain = \"a.py\"\n[[kv]]\nbinding = \"KV\"\n");
    assert_snapshot!(user.runs(&["deploy", "a"]), @r#"
    [talk]
    error: a/smcp.toml has 4 mistakes
      line 2: unknown key `nam`; did you mean `name`?
      line 3: `main` must be a JavaScript or TypeScript file: .js, .mjs, .ts, .tsx or .mts
      `name` is missing: name the server, for example `name = "notes"`
      `compatibility_date` is missing: fix the runtime's behaviour at a date, for example `compatibility_date = "2026-11-01"`
    [exit 1]
    "#);
    let json: Value = serde_json::from_str(&user.runs(&["deploy", "a", "--json"]).stderr).unwrap();
    assert_eq!(json["error"]["details"].as_array().unwrap().len(), 4);
}

const MANIFEST: &str = "manifest = 1\nname = \"a\"\ncompatibility_date = \"2026-11-01\"\nmain = ";

#[test]
fn deploy_takes_no_module_that_is_not_of_the_project() {
    let user = User::new();
    user.write("a/smcp.toml", &format!("{MANIFEST}\"index.js\"\n"));
    assert_snapshot!(user.runs(&["deploy", "a"]), @r"
    [talk]
    error: `main` in smcp.toml names index.js, which is not there
    [exit 1]
    ");
    user.write("secret.txt", "s");
    symlink("../secret.txt", user.home().join("a/link.txt")).unwrap();
    user.write("a/index.js", "import zod from \"zod\";\nimport \"../secret.txt\";\nimport \"./link.txt\";\n");
    assert_snapshot!(user.runs(&["deploy", "a"]), @r#"
    [talk]
    collecting modules
    error: these imports cannot be uploaded
      index.js line 1: "zod" is a package: set `bundle = true` in smcp.toml (a module of Node.js is written node:…)
      index.js line 2: "../secret.txt" leads out of the project's folder
      index.js line 3: "./link.txt" leads out of the project's folder
    [exit 1]
    "#);
}

#[test]
fn deploy_bundles_with_the_projects_own_esbuild() {
    let user = User::new();
    user.write("a/smcp.toml", &format!("{MANIFEST}\"index.ts\"\n"));
    user.write("a/index.ts", "");
    assert_snapshot!(user.runs(&["deploy", "a"]), @r"
    [talk]
    bundling index.ts
    error: this project is bundled by its own esbuild, which is not installed
    hint: (cd [home]/a && npm install --save-dev esbuild)
    [exit 1]
    ");
    user.write("a/package.json", "{\"devDependencies\":{\"esbuild\":\"1\"}}");
    let said = user.runs(&["deploy", "a"]);
    assert!(said.stderr.ends_with("hint: (cd [home]/a && npm install)\n"), "{said}");
}

#[test]
fn a_platform_that_is_not_there_is_not_the_inputs_fault() {
    // Bound and let go of: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let user = User::new().with("SMCP_KEY", "smcp_a_b").with("SMCP_ENDPOINT", &format!("http://{free}"));
    let said = user.runs(&["whoami"]);
    assert_snapshot!(said.to_string().replace(&free.to_string(), "[address]"), @r"
    [talk]
    error: cannot reach http://[address]/api/v1/whoami: connection refused
    hint: is the platform running there? `smcp up` starts one; --endpoint URL names another
    [exit 2]
    ");
    for command in [&["servers"][..], &["keys"], &["tenants"], &["logs", "a", "-f"], &["call", "a", "b"]] {
        let said = user.runs(command);
        assert_eq!((said.status, &*said.stdout), (2, ""), "{command:?}");
    }
}

#[test]
fn a_key_is_asked_for_and_never_shown() {
    let user = User::new();
    assert_snapshot!(user.runs(&["servers"]), @r"
    [talk]
    error: there is no API key for http://localhost:8787
    hint: smcp login --endpoint http://localhost:8787 stores one; the variable SMCP_KEY gives one for once
    [exit 1]
    ");
    assert_snapshot!(user.runs_with(&["login"], "two words\n"), @r"
    [talk]
    error: what was given is no API key: a key begins with smcp_ and has no spaces or line breaks
    [exit 1]
    ");
    assert_eq!(
        user.runs(&["login", "--key", "smcp_x"]).status,
        1,
        "a key in the arguments is no way to give one"
    );
    assert_snapshot!(user.runs(&["keys", "revoke", "smcp_a_b", "--tenant", "acme"]), @r"
    [talk]
    error: that is a key, and now it is in this shell's history: revoke it by its id
    hint: smcp keys list shows the ids
    [exit 1]
    ");
    assert_snapshot!(user.runs(&["logout"]), @r"
    no key is stored
    [talk]
    [exit 0]
    ");
}

#[test]
fn a_stored_key_stays_with_its_platform() {
    let user = User::new();
    let file = ".config/smcp/config.toml";
    user.write(file, "endpoint = \"https://smcp.example.com\"\nkey = \"smcp_a_b\"\n");
    set_mode(&user, file, 0o644);
    assert_snapshot!(user.runs(&["whoami"]), @r"
    [talk]
    error: a setting is wrong
      [home]/.config/smcp/config.toml holds a key, and others may read it: chmod 600 [home]/.config/smcp/config.toml
    [exit 1]
    ");
    set_mode(&user, file, 0o600);
    assert_snapshot!(user.runs(&["whoami", "--endpoint", "http://localhost:1"]), @r"
    [talk]
    error: the stored key is for https://smcp.example.com and is not sent to http://localhost:1
    hint: smcp login --endpoint http://localhost:1 stores one; the variable SMCP_KEY gives one for once
    [exit 1]
    ");
    assert_snapshot!(user.runs(&["logout", "--json"]), @r#"
    {"forgotten":true}
    [talk]
    [exit 0]
    "#);
    assert_eq!(
        fs::read_to_string(user.home().join(file)).unwrap(),
        "endpoint = \"https://smcp.example.com\"\n"
    );
}

fn set_mode(user: &User, file: &str, mode: u32) {
    fs::set_permissions(user.home().join(file), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn deleting_has_to_be_meant() {
    assert_snapshot!(User::new().with("SMCP_KEY", "smcp_a_b").runs(&["servers", "delete", "notes"]), @r"
    [talk]
    error: this deletes notes with all its versions, and its name is never given out again
    hint: smcp servers delete notes --yes
    [exit 1]
    ");
}
