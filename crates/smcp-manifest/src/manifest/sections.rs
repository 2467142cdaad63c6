//! The sections that give code something: lists of tables, each with a name of the code's.

use smcp_types::Slug;
use toml::de::DeTable;

use crate::{
    bindings::{
        self, D1Binding, DurableObjectBinding, KvBinding, Names, ObjectsBinding, SecretBindings,
        default_store,
    },
    reader::{Item, Reader},
    rules::Rule,
};

/// One entry of a list: a name of the code's, and what it stands for if that is said.
struct Entry<'a> {
    item: Item<'a>,
    section: &'static str,
    binding: &'a str,
    what: Option<&'a str>,
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Sections<'a> {
    entries: Vec<Entry<'a>>,
    plain: Option<(Item<'a>, Vec<&'a str>)>,
}

/// What is given, checked.
#[derive(Default)]
pub(super) struct Given {
    pub(super) kv: Vec<KvBinding>,
    pub(super) objects: Vec<ObjectsBinding>,
    pub(super) d1: Vec<D1Binding>,
    pub(super) durable_objects: Vec<DurableObjectBinding>,
    pub(super) secrets: SecretBindings,
}

/// What the second key of a section's entries is called, and whether it must be there.
fn second_key(section: &str) -> (&'static str, &'static str, bool) {
    match section {
        "kv" => ("kv", "namespace", false),
        "objects" => ("objects", "bucket", false),
        "d1" => ("d1", "database", false),
        _ => ("durable_objects", "class", true),
    }
}

impl<'a> Sections<'a> {
    /// Takes one section.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, item: Item<'a>) {
        if item.key == "secrets" {
            let Some(table) = reader.table(item) else { return };
            for item in Reader::items("secrets", table) {
                match item.key {
                    "plain" => self.plain = reader.strings(item).map(|names| (item, names)),
                    _ => reader.other(item, &["plain"]),
                }
            }
            return;
        }
        for table in reader.tables(item).unwrap_or_default() {
            self.entries.extend(entry(reader, item, table));
        }
        let count = self.entries.iter().filter(|entry| entry.section == item.key).count();
        reader.keep(item, bindings::count(count));
    }

    /// Everything that was right; each mistake is noted.
    pub(super) fn finish<'n>(self, reader: &mut Reader<'_>, server: &Slug, mut names: Names<'n>) -> Given
    where
        'a: 'n,
    {
        let mut given = Given::default();
        let mut classes: Vec<&str> = Vec::new();
        for Entry { item, section, binding, what } in &self.entries {
            if reader.keep(*item, names.take(binding, section)).is_none() {
                continue;
            }
            let what = what.map_or_else(|| default_store(server.as_str(), binding), str::to_owned);
            let rule: fn(&str) -> Rule =
                if *section == "durable_objects" { bindings::class_name } else { bindings::store_name };
            let (_, key, _) = second_key(section);
            if reader.keep(*item, rule(&what).map_err(|rule| format!("has a `{key}` that {rule}"))).is_none()
            {
                continue;
            }
            let binding = (*binding).to_owned();
            match *section {
                "kv" => given.kv.push(KvBinding { binding, namespace: what }),
                "objects" => given.objects.push(ObjectsBinding { binding, bucket: what }),
                "d1" => given.d1.push(D1Binding { binding, database: what }),
                _ => given.durable_objects.push(DurableObjectBinding { binding, class: what }),
            }
        }
        classes.extend(given.durable_objects.iter().map(|one| one.class.as_str()));
        classes.sort_unstable();
        if let (Some(pair), Some(entry)) = (
            classes.windows(2).find(|pair| pair[0] == pair[1]),
            self.entries.iter().find(|entry| entry.section == "durable_objects"),
        ) {
            reader.wrong(entry.item, format_args!("names the class `{}` twice", pair[0]));
        }
        if let Some((item, plain)) = &self.plain {
            for name in plain {
                if reader.keep(*item, names.take(name, "secrets.plain")).is_some() {
                    given.secrets.plain.push((*name).to_owned());
                }
            }
        }
        given.secrets.plain.sort_unstable();
        given
    }
}

fn entry<'a>(reader: &mut Reader<'_>, section: Item<'a>, table: &'a DeTable<'a>) -> Option<Entry<'a>> {
    let (name, key, needed) = second_key(section.key);
    let (mut binding, mut what) = (None, None);
    for item in Reader::items(section.key, table) {
        match item.key {
            "binding" => binding = Some(reader.string(item)),
            other if other == key => what = Some(reader.string(item)),
            _ => reader.other(item, &["binding", key]),
        }
    }
    if binding.is_none() {
        reader.wrong(section, "needs a `binding`: the name under which code finds it in `env`");
    }
    if needed && what.is_none() {
        reader.wrong(section, format_args!("needs a `{key}`: the name of an exported class"));
        return None;
    }
    let what = match what {
        Some(None) => return None,
        Some(told) => told,
        None => None,
    };
    Some(Entry { item: section, section: name, binding: binding??, what })
}
