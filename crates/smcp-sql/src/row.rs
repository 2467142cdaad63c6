//! Reading rows and writing parameters: the one place that knows how our types lie in columns.

use smcp_core::ports::StoreError;
use smcp_types::{
    DataKeyId, Digest, KeyId, MasterKeyId, RingKeyId, ServerId, SessionId, StreamId, TenantId, UnixMillis,
};

use crate::port::{Row, Value};

macro_rules! id_values {
    ($($id:ty),*) => {$(
        impl From<$id> for Value {
            fn from(id: $id) -> Self {
                Self::Blob(id.as_bytes().to_vec())
            }
        }
        impl FromValue for $id {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Blob(bytes) => bytes.try_into().ok().map(Self::from_bytes),
                    Value::Null | Value::Integer(_) | Value::Text(_) => None,
                }
            }
        }
    )*};
}

id_values!(TenantId, ServerId, KeyId, SessionId, StreamId, RingKeyId, DataKeyId, MasterKeyId, Digest);

impl From<UnixMillis> for Value {
    fn from(time: UnixMillis) -> Self {
        Self::Integer(time.0)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(i64::from(number))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Types that a column can hold.
pub(crate) trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(number),
            Value::Null | Value::Text(_) | Value::Blob(_) => None,
        }
    }
}

impl FromValue for UnixMillis {
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Integer(_) | Value::Blob(_) => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Blob(bytes) => Some(bytes),
            Value::Null | Value::Integer(_) | Value::Text(_) => None,
        }
    }
}

impl FromValue for [u8; 16] {
    fn from_value(value: Value) -> Option<Self> {
        Vec::from_value(value)?.try_into().ok()
    }
}

impl FromValue for [u8; 32] {
    fn from_value(value: Value) -> Option<Self> {
        Vec::from_value(value)?.try_into().ok()
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

/// Takes a row's columns one after the other; a column of another type than expected is a broken store.
pub(crate) struct Columns {
    values: std::vec::IntoIter<Value>,
    taken: usize,
}

impl Columns {
    pub(crate) fn of(row: Row) -> Self {
        Self { values: row.into_iter(), taken: 0 }
    }

    pub(crate) fn take<T: FromValue>(&mut self) -> Result<T, StoreError> {
        self.taken += 1;
        let value = self.values.next().and_then(T::from_value);
        value.ok_or_else(|| StoreError::Broken(format!("column {} is not what it should be", self.taken)))
    }

    /// A column that holds JSON or another text form of `T`.
    pub(crate) fn parse<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text: String = self.take()?;
        read(&text).ok_or_else(|| StoreError::Broken(format!("column {} does not parse", self.taken)))
    }
}

/// The record in the only row, if there is one.
pub(crate) fn one<T>(
    rows: Vec<Row>,
    read: impl FnOnce(&mut Columns) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    rows.into_iter().next().map(|row| read(&mut Columns::of(row))).transpose()
}

/// The records in all rows.
pub(crate) fn all<T>(
    rows: Vec<Row>,
    read: impl Fn(&mut Columns) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(|row| read(&mut Columns::of(row))).collect()
}
