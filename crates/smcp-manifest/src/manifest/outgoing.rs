//! The section `egress`: where requests may go, and which secrets are added on the way.

use toml::de::{DeTable, DeValue};

use crate::{
    egress::{DEFAULT_EGRESS_PORT, EgressRule, EgressRules, InjectRule, Injection, PLACEHOLDER, check},
    reader::{Item, Reader},
    rules::Rule,
};

const ALLOW: &str = "egress.allow";
const INJECT: &str = "egress.inject";
const INJECT_KEYS: [&str; 9] =
    ["host", "port", "methods", "path_prefix", "secret", "header", "format", "query", "basic_user"];

/// Reads the section; every mistake is noted.
pub(super) fn egress(reader: &mut Reader<'_>, section: Item<'_>) -> EgressRules {
    let mut rules = EgressRules::default();
    let Some(table) = reader.table(section) else { return rules };
    let items = Reader::items("egress", table);
    for item in &items {
        match item.key {
            "allow" => rules.allow = allow(reader, *item),
            "inject" => {
                let tables = reader.tables(*item).unwrap_or_default();
                rules.inject = tables.into_iter().filter_map(|table| inject(reader, *item, table)).collect();
            }
            _ => reader.other(*item, &["allow", "inject"]),
        }
    }
    let rules = rules.canonical();
    // What is wrong with single values is noted where they stand; this is about how they fit together.
    if let Some(item) = items.iter().find(|item| item.key == "inject") {
        for rule in &rules.inject {
            reader.keep(
                *item,
                rules.covers(rule).map_err(|why| format!("names the host \"{}\", which {why}", rule.host)),
            );
        }
    }
    rules
}

fn allow(reader: &mut Reader<'_>, item: Item<'_>) -> Vec<EgressRule> {
    let Some(list) = item.value.as_array() else {
        reader.wrong(
            item,
            "must be a list, like [\"api.example.com\", { host = \"example.org\", ports = [8443] }]",
        );
        return Vec::new();
    };
    let mut rules = Vec::new();
    for entry in list.iter() {
        let rule = match entry.get_ref() {
            DeValue::String(host) => Some(EgressRule { host: host.to_string(), ..EgressRule::default() }),
            DeValue::Table(table) => allow_table(reader, item, table),
            _ => {
                reader.wrong(item, "must hold strings, or tables with `host`, `ports` and `methods`");
                None
            }
        };
        let Some(rule) = rule else { continue };
        let lower = rule.host.to_ascii_lowercase();
        let fine =
            check::rule_host(&lower).map_err(|why| format!("has the host {:?}, which {why}", rule.host));
        if reader.keep(item, fine).is_some() {
            rules.push(rule);
        }
    }
    rules
}

fn allow_table(reader: &mut Reader<'_>, section: Item<'_>, table: &DeTable<'_>) -> Option<EgressRule> {
    let (mut host, mut rule) = (None, EgressRule::default());
    for item in Reader::items(ALLOW, table) {
        match item.key {
            "host" => host = reader.string(item),
            "ports" => rule.ports = ports(reader, item),
            "methods" => rule.methods = methods(reader, item),
            _ => reader.other(item, &["host", "ports", "methods"]),
        }
    }
    if host.is_none() {
        reader.wrong(section, "has an entry without `host`");
    }
    host?.clone_into(&mut rule.host);
    Some(rule)
}

fn inject(reader: &mut Reader<'_>, section: Item<'_>, table: &DeTable<'_>) -> Option<InjectRule> {
    let (mut host, mut secret) = (None, None);
    let (mut port, mut wanted, mut prefix) = (DEFAULT_EGRESS_PORT, Vec::new(), "/");
    let (mut header, mut format, mut query, mut basic) = (None, None, None, None);
    for item in Reader::items(INJECT, table) {
        match item.key {
            "port" => port = one_port(reader, item).unwrap_or(port),
            "methods" => wanted = methods(reader, item),
            "host" => host = text(reader, item, check::inject_host),
            "secret" => secret = text(reader, item, check::secret_name),
            "path_prefix" => prefix = text(reader, item, check::path_prefix).unwrap_or(prefix),
            "header" => header = text(reader, item, |name| check::header_name(&name.to_ascii_lowercase())),
            "format" => format = text(reader, item, check::header_format),
            "query" => query = text(reader, item, check::query_name),
            "basic_user" => basic = text(reader, item, check::basic_user),
            _ => reader.other(item, &INJECT_KEYS),
        }
    }
    let into = match (header, query, basic) {
        (Some(name), None, None) => {
            let format = format.take().unwrap_or(PLACEHOLDER).to_owned();
            Some(Injection::Header { format, name: name.to_owned() })
        }
        (None, Some(name), None) => Some(Injection::Query { name: name.to_owned() }),
        (None, None, Some(user)) => Some(Injection::Basic { user: user.to_owned() }),
        _ => None,
    };
    if host.is_none() || secret.is_none() || into.is_none() || format.is_some() {
        reader.wrong(
            section,
            "needs `host`, `secret`, and one of `header` (with `format`, like \"Bearer {}\"), `query` and `basic_user`",
        );
    }
    Some(InjectRule {
        host: host?.to_owned(),
        into: into?,
        methods: wanted,
        path_prefix: prefix.to_owned(),
        port,
        secret: secret?.to_owned(),
    })
}

fn text<'a>(reader: &mut Reader<'_>, item: Item<'a>, rule: impl FnOnce(&str) -> Rule) -> Option<&'a str> {
    let text = reader.string(item)?;
    reader.keep(item, rule(text).map(|()| text))
}

fn methods(reader: &mut Reader<'_>, item: Item<'_>) -> Vec<String> {
    let given = reader.strings(item).unwrap_or_default();
    let fine = |method: &&str| check::method(&method.to_ascii_uppercase());
    let wrong =
        given.iter().find_map(|method| fine(method).err().map(|why| format!("has {method:?}, which {why}")));
    reader.keep(item, wrong.map_or(Ok(()), Err));
    given.into_iter().filter(|method| fine(method).is_ok()).map(str::to_owned).collect()
}

fn ports(reader: &mut Reader<'_>, item: Item<'_>) -> Vec<u16> {
    let numbers: Option<Vec<u16>> = item.value.as_array().and_then(|list| {
        list.iter()
            .map(|one| one.get_ref().as_integer().and_then(|number| number.as_str().parse().ok()))
            .collect()
    });
    let Some(numbers) = numbers else {
        reader.wrong(item, "must be a list of ports, like [443]");
        return Vec::new();
    };
    let fine = numbers
        .iter()
        .try_for_each(|port| check::port(*port).map_err(|why| format!("has {port}, which {why}")));
    if reader.keep(item, fine).is_some() { numbers } else { Vec::new() }
}

fn one_port(reader: &mut Reader<'_>, item: Item<'_>) -> Option<u16> {
    let number = reader.integer(item)?;
    let port = u16::try_from(number).map_err(|_| "is no port".to_owned());
    reader.keep(item, port.and_then(|port| check::port(port).map(|()| port)))
}
