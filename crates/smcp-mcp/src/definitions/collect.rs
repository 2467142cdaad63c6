//! The collector: a server's answers, one after the other, checked and added up.

use super::{Definitions, DefinitionsError, FORMAT, ListKind, MAX_DEFINITIONS_BYTES, MAX_ITEMS_PER_LIST};
use crate::{META_SERVER_INFO, Method, Revision, strict};
use serde_json::{Map, Value, value::RawValue};
use std::collections::BTreeSet;

/// How much of a name or a version is repeated in an error.
const SHOWN_CHARS: usize = 64;
/// Most revisions of a `server/discover` that are looked at.
const MAX_VERSIONS: usize = 100;

/// Builds [`Definitions`] from what a server answers. Every answer is checked as strictly as a request: a repeated key
/// would let a scanner and a model read different things.
#[derive(Clone, Debug)]
pub struct Collector {
    definitions: Definitions,
    seen: BTreeSet<(ListKind, String)>,
    bytes: usize,
}

impl Collector {
    /// Starts from the result of `initialize` (schema, `InitializeResult`).
    ///
    /// # Errors
    /// When `protocolVersion`, `capabilities` or `serverInfo` is missing or wrong, or the revision is not known.
    pub fn from_initialize(result: &RawValue) -> Result<Self, DefinitionsError> {
        let answer = Answer::read(Method::Initialize, result)?;
        let version = answer.text(&answer.object, "protocolVersion")?;
        let revision = version.parse().map_err(|_| DefinitionsError::Revision(vec![shown(version)]))?;
        let info = answer.member(&answer.object, "serverInfo", Value::is_object, "an object")?;
        Self::start(&answer, vec![revision], info.clone(), result.get().len())
    }

    /// Starts from the result of `server/discover` (2026-07-28, schema, `DiscoverResult`). Who the server is stands in
    /// `_meta`, and may be missing.
    ///
    /// # Errors
    /// When `supportedVersions` or `capabilities` is missing or wrong, or no revision among them is known. Unknown
    /// ones beside a known one are later than this build, and left out.
    pub fn from_discover(result: &RawValue) -> Result<Self, DefinitionsError> {
        let answer = Answer::read(Method::Discover, result)?;
        let versions =
            answer.member(&answer.object, "supportedVersions", Value::is_array, "an array of strings")?;
        let texts = versions.as_array().into_iter().flatten().take(MAX_VERSIONS).map(Value::as_str);
        let texts = texts.collect::<Option<Vec<_>>>();
        let texts = texts.ok_or_else(|| answer.wrong("`supportedVersions` must be an array of strings"))?;
        let revisions: Vec<Revision> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        if revisions.is_empty() {
            return Err(DefinitionsError::Revision(texts.into_iter().map(shown).collect()));
        }
        let info = answer.object.get("_meta").and_then(|meta| meta.get(META_SERVER_INFO));
        if info.is_some_and(|info| !info.is_object()) {
            return Err(answer.wrong(&format!("`_meta` \"{META_SERVER_INFO}\" must be an object")));
        }
        let info = info.cloned().unwrap_or_default();
        Self::start(&answer, revisions, info, result.get().len())
    }

    fn start(
        answer: &Answer,
        mut revisions: Vec<Revision>,
        server_info: Value,
        bytes: usize,
    ) -> Result<Self, DefinitionsError> {
        revisions.sort_unstable();
        revisions.dedup();
        let capabilities = answer.member(&answer.object, "capabilities", Value::is_object, "an object")?;
        let instructions = match answer.object.get("instructions") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(answer.wrong("`instructions` must be a string")),
        };
        let definitions = Definitions {
            format: FORMAT,
            revisions,
            server_info,
            instructions,
            capabilities: capabilities.clone(),
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        };
        let mut collector = Self { definitions, seen: BTreeSet::new(), bytes: 0 };
        collector.count(bytes)?;
        Ok(collector)
    }

    /// Takes note that the server speaks another revision too, found out by asking.
    pub fn also_speaks(&mut self, revision: Revision) {
        if let Err(place) = self.definitions.revisions.binary_search(&revision) {
            self.definitions.revisions.insert(place, revision);
        }
    }

    /// What has been collected so far: which lists are offered, on which revision to ask for them.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// Adds a page of a list (schema, `List*Result`) and returns the cursor of the next one, if there is one. Whoever
    /// asks stops at a cursor that comes back: an empty page adds nothing that a bound here would stop.
    ///
    /// # Errors
    /// When the list, an item or the cursor is not what the schema demands, a name is there twice, or a bound is
    /// passed.
    pub fn add_page(
        &mut self,
        kind: ListKind,
        result: &RawValue,
    ) -> Result<Option<String>, DefinitionsError> {
        let mut answer = Answer::read(kind.method(), result)?;
        self.count(result.get().len())?;
        let Some(Value::Array(items)) = answer.object.remove(kind.member()) else {
            return Err(answer.wrong(&format!("`{}` must be an array", kind.member())));
        };
        for item in items {
            let name = answer.check_item(kind, &item)?;
            if self.definitions.items(kind).len() == MAX_ITEMS_PER_LIST {
                return Err(DefinitionsError::TooMany { method: answer.method.to_string() });
            }
            if !self.seen.insert((kind, name.to_owned())) {
                return Err(DefinitionsError::Repeated {
                    method: answer.method.to_string(),
                    name: shown(name),
                });
            }
            self.definitions.items_mut(kind).push(item);
        }
        match answer.object.remove("nextCursor") {
            // The schema knows no null here, but servers that leave a field empty write it.
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(cursor)) => Ok(Some(cursor)),
            Some(_) => Err(answer.wrong("`nextCursor` must be a string")),
        }
    }

    /// The definitions, complete.
    #[must_use]
    pub fn finish(self) -> Definitions {
        self.definitions
    }

    /// Counts what the answers have, white space included: cheap, and never less than what is stored.
    fn count(&mut self, bytes: usize) -> Result<(), DefinitionsError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MAX_DEFINITIONS_BYTES { Err(DefinitionsError::TooLarge) } else { Ok(()) }
    }
}

/// A result, an object, with the method it answers for the errors.
struct Answer {
    method: Method,
    object: Map<String, Value>,
}

impl Answer {
    fn read(method: Method, result: &RawValue) -> Result<Self, DefinitionsError> {
        let mut answer = Self { method, object: Map::new() };
        if result.get().len() > MAX_DEFINITIONS_BYTES {
            return Err(DefinitionsError::TooLarge);
        }
        strict::check(result).map_err(|fault| answer.wrong(&fault.to_string()))?;
        let object = serde_json::from_str(result.get());
        answer.object = object.map_err(|_| answer.wrong("the result must be an object"))?;
        // Absent before 2026-07-28, and then complete; any other value is for whom we do not ask (basic/index,
        // "ResultType").
        match answer.object.get("resultType").map(Value::as_str) {
            None | Some(Some("complete")) => Ok(answer),
            Some(_) => Err(answer.wrong("`resultType` must be \"complete\"")),
        }
    }

    fn wrong(&self, rule: &str) -> DefinitionsError {
        DefinitionsError::Schema { method: self.method.to_string(), rule: rule.to_owned() }
    }

    fn member<'a>(
        &self,
        object: &'a Map<String, Value>,
        key: &str,
        test: fn(&Value) -> bool,
        what: &str,
    ) -> Result<&'a Value, DefinitionsError> {
        let value = object.get(key).filter(|value| test(value));
        value.ok_or_else(|| self.wrong(&format!("`{key}` must be {what}")))
    }

    fn text<'a>(&self, object: &'a Map<String, Value>, key: &str) -> Result<&'a str, DefinitionsError> {
        let value = self.member(object, key, Value::is_string, "a string")?;
        Ok(value.as_str().unwrap_or_default())
    }

    /// Checks an item of a list and returns the name it goes by.
    fn check_item<'a>(&self, kind: ListKind, item: &'a Value) -> Result<&'a str, DefinitionsError> {
        let list = kind.member();
        let item =
            item.as_object().ok_or_else(|| self.wrong(&format!("an item of `{list}` is not an object")))?;
        let name = item.get(kind.key()).and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.wrong(&format!("an item of `{list}` has no `{}`", kind.key())))?;
        let (string, object) = kind.demands();
        for (key, fits) in [
            (string, Value::is_string as fn(&Value) -> bool),
            (object, Value::is_object as fn(&Value) -> bool),
        ] {
            let missing = key.filter(|key| !item.get(*key).is_some_and(fits));
            if let Some(key) = missing {
                return Err(self.wrong(&format!("{:?} of `{list}` has no `{key}`", shown(name))));
            }
        }
        Ok(name)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
