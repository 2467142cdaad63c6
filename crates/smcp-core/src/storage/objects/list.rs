//! Lists of objects, with common prefixes up to a delimiter.

use smcp_types::{Error, Result};

use super::{MAX_KEY_BYTES, MAX_KEYS, Object, Objects};
use crate::{
    ports::{Kind, Span},
    storage::{Store, cursor, kv::too_large},
};

/// Rows read at once.
const ROWS: u32 = 1000;
/// Times that rows are read for one page: a page may have fewer objects than asked for, never take for ever.
const READS: usize = 16;

/// Which objects to list.
#[derive(Clone, Debug, Default)]
pub struct ListObjects<'a> {
    /// Keys that begin with this.
    pub prefix: &'a str,
    /// Keys with this after the prefix are shown as one, up to it.
    pub delimiter: Option<&'a str>,
    /// Keys after this one.
    pub start_after: Option<&'a str>,
    /// The cursor of the page before.
    pub cursor: Option<&'a str>,
    /// Most objects and prefixes; `None` for as many as there may be.
    pub limit: Option<u32>,
    /// Whether objects that cannot be read are told of by their keys, so that somebody can delete them; else they fail the
    /// whole list.
    pub unreadable: bool,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects, in the order of their keys' bytes.
    pub objects: Vec<Object>,
    /// The keys of those that cannot be read: damaged, or sealed under a key that has been destroyed.
    pub unreadable: Vec<String>,
    /// What keys with the delimiter have in common.
    pub prefixes: Vec<String>,
    /// For the next page; `None` on the last.
    pub cursor: Option<String>,
}

impl ObjectPage {
    fn len(&self) -> usize {
        self.objects.len() + self.unreadable.len() + self.prefixes.len()
    }
}

impl Objects {
    /// A page of the objects.
    ///
    /// # Errors
    /// `Invalid` for a limit or a cursor that cannot be one; `Damaged`; store errors.
    pub async fn list(&self, store: Store<'_>, list: ListObjects<'_>) -> Result<ObjectPage> {
        let limit = list.limit.map_or(MAX_KEYS, |limit| limit as usize);
        if limit == 0 || limit > MAX_KEYS {
            return Err(Error::invalid(format!("a list has a limit of 1 to {MAX_KEYS} objects")));
        }
        let texts = [Some(list.prefix), list.delimiter, list.start_after];
        if texts.into_iter().flatten().any(|text| text.len() > MAX_KEY_BYTES) {
            return Err(too_large("a prefix, delimiter or start", MAX_KEY_BYTES));
        }
        let sealer = &*self.common.sealer;
        let mut after = match list.cursor {
            Some(text) => Some(cursor::read(sealer, store, Kind::ObjectMetadata, text).await?),
            None => list.start_after.map(str::to_owned),
        };
        let mut page = ObjectPage::default();
        let more = self.fill(store, &list, limit, &mut after, &mut page).await?;
        if more && let Some(last) = after {
            page.cursor = Some(cursor::after(sealer, store, Kind::ObjectMetadata, &last).await?);
        }
        Ok(page)
    }

    /// Fills a page from after a key, which moves along; tells whether there may be more.
    async fn fill(
        &self,
        store: Store<'_>,
        list: &ListObjects<'_>,
        limit: usize,
        after: &mut Option<String>,
        page: &mut ObjectPage,
    ) -> Result<bool> {
        for _ in 0..READS {
            let span = Span { prefix: list.prefix.to_owned(), after: after.clone(), limit: ROWS };
            let rows = self.rows.list(store.tenant, store.name, &span).await?;
            let last = rows.len() < ROWS as usize;
            for row in rows {
                let common = list.delimiter.filter(|text| !text.is_empty()).and_then(|delimiter| {
                    let at = row.key.get(list.prefix.len()..)?.find(delimiter)?;
                    row.key.get(..list.prefix.len() + at + delimiter.len()).map(str::to_owned)
                });
                let known = common.is_some() && page.prefixes.last() == common.as_ref();
                if !known && page.len() == limit {
                    return Ok(true);
                }
                match common {
                    // Over all keys that have it in common, but for those that begin with the last character there is.
                    Some(common) => {
                        *after = Some(row.key.clone().max(format!("{common}\u{10ffff}")));
                        if !known {
                            page.prefixes.push(common);
                        }
                    }
                    None => {
                        *after = Some(row.key.clone());
                        match self.open(store, &row).await {
                            Ok(object) => page.objects.push(object),
                            Err(Error::Damaged(_)) if list.unreadable => page.unreadable.push(row.key),
                            Err(error) => return Err(error),
                        }
                    }
                }
            }
            if last {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
