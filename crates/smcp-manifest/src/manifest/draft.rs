//! A manifest in the making: key by key, with every mistake noted.

use smcp_types::{Limit, LimitSet, Slug};
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

use super::{DefinitionsMode, Manifest, SandboxClass, Validation, outgoing, sections::Sections};
use crate::{
    bindings::Names,
    egress::EgressRules,
    module,
    reader::{Item, Reader},
    rules, triggers,
};

/// The one format of `smcp.toml` there is.
const FORMAT: i64 = 1;
/// Endings of files that the runtime takes as they are.
const READY: [&str; 2] = [".js", ".mjs"];
/// Endings that have to be bundled first.
const TYPED: [&str; 3] = [".ts", ".tsx", ".mts"];

const ROOT_KEYS: [&str; 19] = [
    "manifest",
    "name",
    "main",
    "bundle",
    "endpoint",
    "compatibility_date",
    "compatibility_flags",
    "definitions",
    "validate",
    "vars",
    "limits",
    "sandbox",
    "egress",
    "kv",
    "objects",
    "d1",
    "durable_objects",
    "secrets",
    "triggers",
];

/// What has been read so far. A key that was there and wrong is `Some(None)`: it is not reported missing as well.
#[derive(Default)]
pub(super) struct Draft<'a> {
    has_format: bool,
    name: Option<Option<Slug>>,
    main: Option<Option<(Item<'a>, String)>>,
    bundle: Option<(Item<'a>, bool)>,
    endpoint: Option<String>,
    compatibility_date: Option<Option<String>>,
    compatibility_flags: Vec<String>,
    definitions: DefinitionsMode,
    validation: Option<(Item<'a>, Validation)>,
    vars: BTreeMap<String, String>,
    limits: LimitSet,
    sandbox: SandboxClass,
    sections: Sections<'a>,
    egress: EgressRules,
    egress_item: Option<Item<'a>>,
    crons: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Takes one key of the top.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>, item: Item<'a>) {
        let text = |reader: &mut Reader<'_>, rule: fn(&str) -> rules::Rule| {
            let text = reader.string(item)?;
            reader.keep(item, rule(text).map(|()| text.to_owned()))
        };
        match item.key {
            "manifest" => {
                self.has_format = true;
                format(reader, item);
            }
            "name" => self.name = Some(reader.string(item).and_then(|name| reader.keep(item, slug(name)))),
            "main" => {
                let main = reader.string(item).and_then(|main| reader.keep(item, main_file(main)));
                self.main = Some(main.map(|main| (item, main)));
            }
            "bundle" => self.bundle = reader.boolean(item).map(|bundle| (item, bundle)),
            "endpoint" => self.endpoint = text(reader, rules::endpoint),
            "compatibility_date" => self.compatibility_date = Some(text(reader, rules::compatibility_date)),
            "compatibility_flags" => self.compatibility_flags = flags(reader, item),
            "definitions" => self.definitions = definitions(reader, item).unwrap_or_default(),
            "validate" => self.validation = validation(reader, item).map(|asked| (item, asked)),
            "vars" => {
                self.vars = reader.table(item).map_or_else(BTreeMap::new, |table| vars(reader, item, table))
            }
            "limits" => {
                self.limits = reader.table(item).map_or_else(LimitSet::default, |table| limits(reader, table))
            }
            "sandbox" => self.sandbox = sandbox(reader, item).unwrap_or_default(),
            "kv" | "objects" | "d1" | "durable_objects" | "secrets" => self.sections.read(reader, item),
            "triggers" => {
                self.crons = reader.table(item).map_or_else(Vec::new, |table| crons(reader, table));
            }
            "egress" => {
                self.egress_item = Some(item);
                self.egress = outgoing::egress(reader, item);
            }
            _ => reader.other(item, &ROOT_KEYS),
        }
    }

    /// The manifest, if every key that it must have was there and right. Mistakes elsewhere do not show here.
    pub(super) fn finish(self, reader: &mut Reader<'_>) -> Option<Manifest> {
        self.note_missing(reader);
        let Some((name, (main_item, main))) = self.name.flatten().zip(self.main.flatten()) else {
            // Names of stores come of the server's; without one there is nothing to check them against.
            return None;
        };
        let mut names = Names::of_vars(&self.vars);
        let secrets: BTreeSet<_> = self.egress.inject.iter().map(|rule| &rule.secret).collect();
        let taken = secrets.into_iter().find_map(|secret| names.take(secret, "egress.inject").err());
        if let (Some(rule), Some(item)) = (taken, self.egress_item) {
            reader.wrong(item, rule);
        }
        let given = self.sections.finish(reader, &name, names);
        let typed = TYPED.iter().any(|ending| main.ends_with(ending));
        let bundle = self.bundle.map_or(typed, |(_, bundle)| bundle);
        match self.bundle {
            Some((item, false)) if typed => {
                reader
                    .wrong(item, "must be true: TypeScript has to be bundled before the runtime can read it");
            }
            // Unbundled, the file's path is the module's name.
            Some((_, false)) | None if !bundle => {
                reader.keep(
                    main_item,
                    module::check_name(&main).map_err(|why| format!("cannot be uploaded: {why}")),
                );
            }
            Some(_) | None => {}
        }
        let validation =
            self.validation.and_then(|(item, asked)| reader.keep(item, asked.with(self.definitions)));
        Some(Manifest {
            name,
            main,
            bundle,
            endpoint: self.endpoint.unwrap_or_else(|| rules::DEFAULT_ENDPOINT.to_owned()),
            compatibility_date: self.compatibility_date??,
            compatibility_flags: self.compatibility_flags,
            definitions: self.definitions,
            validation: validation.unwrap_or_default(),
            vars: self.vars,
            limits: self.limits,
            sandbox: self.sandbox,
            kv: given.kv,
            objects: given.objects,
            d1: given.d1,
            durable_objects: given.durable_objects,
            secrets: given.secrets,
            egress: self.egress,
            crons: self.crons,
        })
    }

    fn note_missing(&self, reader: &mut Reader<'_>) {
        if !self.has_format {
            reader.missing("manifest", "start the file with `manifest = 1`");
        }
        if self.name.is_none() {
            reader.missing("name", "name the server, for example `name = \"notes\"`");
        }
        if self.main.is_none() {
            reader.missing("main", "name the file to start from, for example `main = \"src/index.ts\"`");
        }
        if self.compatibility_date.is_none() {
            let advice =
                "fix the runtime's behaviour at a date, for example `compatibility_date = \"2026-11-01\"`";
            reader.missing("compatibility_date", advice);
        }
    }
}

fn format(reader: &mut Reader<'_>, item: Item<'_>) {
    if let Some(format) = reader.integer(item)
        && format != FORMAT
    {
        reader.wrong(item, format_args!("is {format}, but this release reads format {FORMAT} only"));
    }
}

fn slug(name: &str) -> Result<Slug, String> {
    name.parse().map_err(|why| format!("is no name for a server: {why}"))
}

/// The path without a leading `./`.
fn main_file(main: &str) -> Result<String, String> {
    let path = main.strip_prefix("./").unwrap_or(main);
    rules::source_path(path)?;
    if READY.iter().chain(&TYPED).any(|ending| path.ends_with(ending)) {
        return Ok(path.to_owned());
    }
    Err("must be a JavaScript or TypeScript file: .js, .mjs, .ts, .tsx or .mts".to_owned())
}

fn flags(reader: &mut Reader<'_>, item: Item<'_>) -> Vec<String> {
    let texts = item.value.as_array().map(|items| items.iter().map(|item| item.get_ref().as_str()).collect());
    let Some(Some(texts)) =
        texts.map(|texts: Vec<Option<&str>>| texts.into_iter().collect::<Option<Vec<_>>>())
    else {
        reader.wrong(item, "must be a list of strings, like [\"nodejs_compat\"]");
        return Vec::new();
    };
    let mut flags: Vec<String> = Vec::new();
    for text in &texts {
        match rules::compatibility_flag(text) {
            Ok(()) if flags.iter().any(|flag| flag == text) => {
                reader.wrong(item, format_args!("has {text:?} twice"))
            }
            Ok(()) => flags.push((*text).to_owned()),
            Err(rule) => reader.wrong(item, format_args!("has a wrong entry: {text:?} {rule}")),
        }
    }
    reader.keep(item, rules::compatibility_flag_count(flags.len()));
    flags.sort_unstable();
    flags
}

fn definitions(reader: &mut Reader<'_>, item: Item<'_>) -> Option<DefinitionsMode> {
    match reader.string(item)? {
        "pinned" => Some(DefinitionsMode::Pinned),
        "dynamic" => Some(DefinitionsMode::Dynamic),
        _ => {
            reader.wrong(item, "must be \"pinned\" or \"dynamic\"");
            None
        }
    }
}

fn validation(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Validation> {
    match reader.string(item)? {
        "arguments" => Some(Validation::Arguments),
        "nothing" => Some(Validation::Nothing),
        _ => {
            reader.wrong(item, "must be \"arguments\" or \"nothing\"");
            None
        }
    }
}

fn vars(reader: &mut Reader<'_>, section: Item<'_>, table: &DeTable<'_>) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    for item in Reader::items("vars", table) {
        if item.key == "sandbox" {
            let words =
                "is a variable where it stands, and would harden nothing: put it above the first section";
            reader.wrong(item, words);
        }
        if item.key == "validate" {
            let words =
                "is a variable where it stands, and would check nothing: put it above the first section";
            reader.wrong(item, words);
        }
        let named = reader.keep(item, rules::var_name(item.key)).is_some();
        let Some(value) = var(reader, item) else {
            continue;
        };
        if reader.keep(item, rules::var_value(value)).is_some() && named {
            vars.insert(item.key.to_owned(), value.to_owned());
        }
    }
    reader.keep(section, rules::vars_total(&vars));
    vars
}

/// A string; for other plain values the advice is how to write it as one.
fn var<'a>(reader: &mut Reader<'_>, item: Item<'a>) -> Option<&'a str> {
    let quoted = match item.value {
        DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => return reader.string(item),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(fine) => fine.to_string(),
        DeValue::Datetime(time) => time.to_string(),
    };
    reader.wrong(
        item,
        format_args!("must be a string: put it in quotes, `{} = \"{quoted}\"`", item.shown_key()),
    );
    None
}

fn limits(reader: &mut Reader<'_>, table: &DeTable<'_>) -> LimitSet {
    let mut limits = LimitSet::default();
    for item in Reader::items("limits", table) {
        let Some(limit) = Limit::of_key(item.key) else {
            reader.other(item, &Limit::ALL.map(Limit::key));
            continue;
        };
        let value = reader.integer(item).and_then(|value| reader.keep(item, limit.check(value)));
        if let Some(value) = value {
            limits.set(limit, value);
        }
    }
    limits
}

fn crons(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<String> {
    let mut crons = Vec::new();
    for item in Reader::items("triggers", table) {
        if item.key != "crons" {
            reader.other(item, &["crons"]);
            continue;
        }
        let Some(texts) = reader.strings(item) else { continue };
        if reader.keep(item, triggers::crons(texts.iter().copied())).is_some() {
            crons = texts.into_iter().map(str::to_owned).collect();
        }
    }
    crons.sort_unstable();
    crons
}

fn sandbox(reader: &mut Reader<'_>, item: Item<'_>) -> Option<SandboxClass> {
    match reader.string(item)? {
        "standard" => Some(SandboxClass::Standard),
        "hardened" => Some(SandboxClass::Hardened),
        _ => {
            reader.wrong(item, "must be \"standard\" or \"hardened\"");
            None
        }
    }
}
