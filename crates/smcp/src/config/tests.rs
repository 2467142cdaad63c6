//! Precedence as a table, and the mistakes of every layer.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use smcp_types::Secret;

use super::{client::DEFAULT_ENDPOINT, *};

fn layers(flags: &[(&'static str, &str)], environment: &[(&'static str, &str)], file: &str) -> Layers {
    let flags = flags.iter().map(|(key, value)| (*key, vec![(*value).to_owned()])).collect();
    let mut file = ConfigFile::parse(file).unwrap();
    file.path = Some(PathBuf::from("/etc/smcp/config.toml"));
    Layers::new(flags, Environment::of(environment), file)
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let flag = &[("endpoint", "https://flag")][..];
    let variable = &[("SMCP_ENDPOINT", "https://env")][..];
    let empty = &[("SMCP_ENDPOINT", "")][..];
    let file = "endpoint = \"https://file\"";
    for (flags, environment, file, expected, source) in [
        (flag, variable, file, "https://flag", Source::Flag("--endpoint")),
        (flag, &[][..], file, "https://flag", Source::Flag("--endpoint")),
        (&[], variable, file, "https://env", Source::Environment("SMCP_ENDPOINT")),
        (&[], variable, "", "https://env", Source::Environment("SMCP_ENDPOINT")),
        (&[], empty, file, "https://file", Source::File { line: 1 }),
        (&[], &[], file, "https://file", Source::File { line: 1 }),
        (&[], &[], "", DEFAULT_ENDPOINT, Source::Default),
    ] {
        let layers = layers(flags, environment, file);
        assert_eq!(ClientSettings::read(&layers).unwrap().endpoint.as_str(), expected);
        let found = layers.find(&setting::ENDPOINT).unwrap();
        assert_eq!(found.map_or(Source::Default, |given| given.source), source);
    }
}

#[test]
fn a_stored_key_goes_to_the_endpoint_it_is_stored_for() {
    let file = "endpoint = \"https://ours\"\nkey = \"smcp_stored\"";
    for (flags, environment, file, key) in [
        (&[][..], &[][..], file, Some("smcp_stored")),
        (&[("endpoint", "https://OURS:443/")], &[], file, Some("smcp_stored")),
        (&[("endpoint", "https://theirs")], &[], file, None),
        (&[], &[("SMCP_ENDPOINT", "https://theirs")], file, None),
        (&[("endpoint", "https://theirs")], &[("SMCP_KEY", "smcp_given")], file, Some("smcp_given")),
        (&[], &[], "key = \"smcp_local\"", Some("smcp_local")),
        (&[("endpoint", "https://theirs")], &[], "key = \"smcp_local\"", None),
    ] {
        let settings = ClientSettings::read(&layers(flags, environment, file)).unwrap();
        assert_eq!(settings.key.as_ref().map(|key| key.expose().as_str()), key);
        let is_withheld = file.contains("key") && key.is_none();
        assert_eq!(settings.key_is_for.is_some(), is_withheld);
        assert!(!format!("{settings:?}").contains("smcp_"), "no key in debug output");
    }
}

#[test]
fn all_mistakes_of_the_file_come_together() {
    let text = "endpont = \"x\"\nlisten = \"x\"\nkey = 7\n[node]\nidle-after = 5\nallowed_origins = \"x\"\nmaster_key = \"x\"\n[other]\n";
    assert_eq!(
        ConfigFile::parse(text).unwrap_err(),
        [
            "line 1: unknown key `endpont`; did you mean `endpoint`?",
            "line 2: unknown key `listen`; did you mean `node.listen`?",
            "line 3: `key` must be a string",
            "line 5: unknown key `node.idle-after`; did you mean `node.idle_after`?",
            "line 6: `node.allowed_origins` must be a list of strings",
            "line 7: `node.master_key` does not belong in a file: use SMCP_MASTER_KEY",
            "line 8: unknown key `other`; `smcp config --explain` lists those there are",
        ]
    );
    assert!(ConfigFile::parse("a = \nb = ").unwrap_err().len() >= 2);
}

#[test]
fn all_mistakes_of_the_layers_come_together() {
    let flags = &[("node.listen", "8787"), ("node.idle_after", "soon")][..];
    let variables =
        &[("SMCP_EXTERNAL_URL", "http://example.com"), ("SMCP_ALLOWED_ORIGINS", "https://a, *")][..];
    let file = "[node]\ndata = \"data\"\ndrain = \"1w\"";
    let mistakes = NodeSettings::read(&layers(flags, variables, file)).unwrap_err();
    let begins: Vec<_> = mistakes.iter().map(|mistake| mistake.split(" is ").next().unwrap()).collect();
    assert_eq!(
        begins,
        [
            "--listen",
            "SMCP_EXTERNAL_URL must be an origin such as https://mcp.example.com (http:// for this machine alone): \"http://example.com\"",
            "SMCP_ALLOWED_ORIGINS",
            "--idle-after",
            "config.toml line 3: `node.drain`",
        ]
    );
    let secret = layers(&[], &[("SMCP_KEY", "smcp_a b")], "");
    assert!(
        !ClientSettings::read(&secret).unwrap_err().join("").contains("smcp_a"),
        "a wrong key is not shown either"
    );
}

#[test]
fn a_name_server_is_an_address_at_the_port_of_dns() {
    for (text, address) in [
        ("10.0.0.53", Some("10.0.0.53:53")),
        ("10.0.0.53:5353", Some("10.0.0.53:5353")),
        ("2001:db8::53", Some("[2001:db8::53]:53")),
        ("[2001:db8::53]:5353", Some("[2001:db8::53]:5353")),
        ("dns.example.com", None),
        ("10.0.0.53:", None),
    ] {
        let variables = &[("HOME", "/home/u"), ("SMCP_EGRESS_RESOLVER", text)];
        let read = NodeSettings::read(&layers(&[], variables, ""));
        let resolver = read.map(|settings| settings.into_config(false).egress.resolver);
        let expected = address.map(|address| Some(address.parse().unwrap()));
        assert_eq!(resolver.ok(), expected, "{text}");
    }
}

#[test]
fn a_node_listens_to_the_network_behind_tls_alone() {
    let home = ("HOME", "/home/u");
    for (listen, url, fine) in [
        ("127.0.0.1:0", None, true),
        ("[::1]:8787", None, true),
        ("0.0.0.0:8787", None, false),
        ("192.0.2.1:80", Some("http://localhost:80"), false),
        ("0.0.0.0:8787", Some("https://mcp.example.com"), true),
    ] {
        let mut variables = vec![home, ("SMCP_LISTEN", listen)];
        variables.extend(url.map(|url| ("SMCP_EXTERNAL_URL", url)));
        let read = NodeSettings::read(&layers(&[], &variables, ""));
        assert_eq!(read.is_ok(), fine, "{listen} {url:?}");
    }
}

#[test]
fn a_node_has_defaults_for_everything() {
    let config = NodeSettings::read(&layers(&[], &[("HOME", "/home/u")], "")).unwrap().into_config(true);
    insta::assert_snapshot!(format!("{config:?}"), @r#"NodeConfig { data: "/home/u/.local/share/smcp", listen: 127.0.0.1:8787, external_url: None, allowed_origins: [], master_key_file: None, master_key: None, next_master_key_file: None, next_master_key: None, workerd: None, idle_after: 300s, max_awake: 64, drain: 30s, egress: EgressConfig { networks: [], resolver: None, roots: None }, storage: StorageConfig { tenant: 1073741824, database: 500000000, durable_objects: 1073741824 }, sandbox: SandboxConfig { without: [], strict: false, uid_base: None }, json: true }"#);
    let config = NodeSettings::read(&layers(&[], &[], "[node]\ndata = \"d\"\nidle_after = 5\n")).unwrap();
    let config = config.into_config(false);
    assert_eq!((config.data, config.idle_after.as_secs()), (PathBuf::from("/etc/smcp/d"), 5));
    assert!(NodeSettings::read(&layers(&[], &[], "")).is_err(), "no HOME, no data directory");
}

#[test]
fn the_sandbox_has_a_table_of_its_own() {
    let text = "[sandbox]\nwithout = [\"uid\", \"user-ns\"]\nstrict = true\nuid_base = 300000\n";
    let home = ("HOME", "/home/u");
    let config = NodeSettings::read(&layers(&[], &[home], text)).unwrap().into_config(true).sandbox;
    let without: Vec<_> = config.without.iter().map(|layer| layer.name()).collect();
    assert_eq!((without, config.strict, config.uid_base), (vec!["uid", "user-ns"], true, Some(300_000)));
    let variables = [home, ("SMCP_SANDBOX_WITHOUT", "seccomp, walls"), ("SMCP_SANDBOX_UID_BASE", "7")];
    let mistakes = NodeSettings::read(&layers(&[], &variables, "")).unwrap_err();
    assert!(
        mistakes[0].starts_with("SMCP_SANDBOX_WITHOUT is no layer of the sandbox: \"walls\""),
        "{mistakes:?}"
    );
    assert!(mistakes[1].starts_with("SMCP_SANDBOX_UID_BASE must be a user id from 1000 on"), "{mistakes:?}");
    assert!(ConfigFile::parse("[sandbox]\nstrict = 1\n").is_err());
}

#[test]
fn quotas_are_whole_mebibytes_that_a_disk_may_have() {
    let text = "[storage]\ntenant_mb = 2048\ndatabase_mb = 10\n";
    let home = ("HOME", "/home/u");
    let config = NodeSettings::read(&layers(&[], &[home], text)).unwrap().into_config(true).storage;
    assert_eq!((config.tenant, config.database, config.durable_objects), (2 << 30, 10 << 20, 1 << 30));
    for wrong in ["0", "-1", "1.5", "1GiB", "99999999999"] {
        let variables = [home, ("SMCP_STORAGE_DURABLE_OBJECTS_MB", wrong)];
        let mistakes = NodeSettings::read(&layers(&[], &variables, "")).unwrap_err();
        assert!(
            mistakes[0].starts_with("SMCP_STORAGE_DURABLE_OBJECTS_MB must be MiB between 1 and"),
            "{mistakes:?}"
        );
    }
}

#[test]
fn places_are_those_of_the_xdg_specification() {
    for (variables, config, data) in [
        (&[][..], None, None),
        (&[("HOME", "/h")], Some("/h/.config/smcp/config.toml"), Some("/h/.local/share/smcp")),
        (
            &[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_DATA_HOME", "relative")],
            Some("/c/smcp/config.toml"),
            Some("/h/.local/share/smcp"),
        ),
    ] {
        let environment = Environment::of(variables);
        assert_eq!(environment.config_file(), config.map(PathBuf::from));
        assert_eq!(environment.data_dir(), data.map(PathBuf::from));
    }
}

#[test]
fn logging_in_and_out_leaves_the_rest_of_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smcp/config.toml");
    let login =
        |key: &str| store_login(&file, &"https://a.example".parse().unwrap(), &Secret::new(key.to_owned()));
    assert!(!forget_key(&file).unwrap());
    login("smcp_1").unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let ours = "# mine\ntenant = \"acme\" # the usual one\n\n[node]\ndrain = 5\n";
    fs::write(&file, ours).unwrap();
    login("smcp_2").unwrap();
    let read = ConfigFile::read(Some(file.clone())).unwrap();
    assert_eq!(read.get(&setting::KEY).unwrap().values, ["smcp_2"]);
    assert_eq!(read.get(&setting::TENANT).unwrap().values, ["acme"]);
    assert!(forget_key(&file).unwrap());
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("# mine") && text.contains("# the usual one") && !text.contains("smcp_2"),
        "{text}"
    );

    login("smcp_3").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let mistakes = ConfigFile::read(Some(file)).unwrap_err();
    assert!(mistakes[0].contains("chmod 600"), "{mistakes:?}");
}
