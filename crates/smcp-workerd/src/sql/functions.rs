//! Mathematical functions that D1 has and the bundled SQLite was built without, as SQLite defines them.

use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::{Value, ValueRef},
};

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

const UNARY: [(&str, Unary); 18] = [
    ("acos", f64::acos),
    ("acosh", f64::acosh),
    ("asin", f64::asin),
    ("asinh", f64::asinh),
    ("atan", f64::atan),
    ("atanh", f64::atanh),
    ("cos", f64::cos),
    ("cosh", f64::cosh),
    ("degrees", f64::to_degrees),
    ("exp", f64::exp),
    ("ln", |x| positive(x).ln()),
    ("log", |x| positive(x).log10()),
    ("log2", |x| positive(x).log2()),
    ("radians", f64::to_radians),
    ("sin", f64::sin),
    ("sinh", f64::sinh),
    ("sqrt", f64::sqrt),
    ("tan", f64::tan),
];

const BINARY: [(&str, Binary); 4] = [
    ("atan2", f64::atan2),
    ("log", |base, x| positive(x).ln() / positive(base).ln()),
    ("mod", |x, y| x % y),
    ("pow", f64::powf),
];

/// Those that leave whole numbers alone.
const ROUNDING: [(&str, Unary); 3] = [("ceil", f64::ceil), ("floor", f64::floor), ("trunc", f64::trunc)];

/// Adds them to a connection.
pub(super) fn add(connection: &Connection) -> Result<()> {
    // Without side effects, so that views and indices may use them.
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, of) in UNARY.into_iter().chain([("tanh", f64::tanh as Unary)]) {
        connection.create_scalar_function(name, 1, flags, move |context| {
            Ok(number(context, 0).map(of).filter(|result| !result.is_nan()))
        })?;
    }
    for (name, of) in BINARY {
        connection.create_scalar_function(name, 2, flags, move |context| {
            let result = number(context, 0).zip(number(context, 1)).map(|(x, y)| of(x, y));
            Ok(result.filter(|result| !result.is_nan()))
        })?;
    }
    for (name, of) in ROUNDING {
        connection.create_scalar_function(name, 1, flags, move |context| {
            Ok(match context.get_raw(0) {
                ValueRef::Integer(whole) => Value::Integer(whole),
                ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
                    number(context, 0).map_or(Value::Null, |x| Value::Real(of(x)))
                }
            })
        })?;
    }
    connection.create_scalar_function("pi", 0, flags, |_| Ok(std::f64::consts::PI))
}

/// A number that has a logarithm.
fn positive(x: f64) -> f64 {
    if x > 0.0 { x } else { f64::NAN }
}

/// An argument that is a number, or a text that is one.
fn number(context: &Context<'_>, at: usize) -> Option<f64> {
    match context.get_raw(at) {
        #[allow(clippy::cast_precision_loss, reason = "as SQLite does")]
        ValueRef::Integer(whole) => Some(whole as f64),
        ValueRef::Real(real) => Some(real),
        ValueRef::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
        ValueRef::Null | ValueRef::Blob(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_sqlite_documents() {
        let connection = Connection::open_in_memory().unwrap();
        add(&connection).unwrap();
        for (expression, expected) in [
            ("sqrt(16)", "4.0"),
            ("sqrt(-1)", "NULL"),
            ("sqrt('9')", "3.0"),
            ("sqrt(x'39')", "NULL"),
            ("log(100)", "2.0"),
            ("log(2, 8)", "3.0"),
            ("ln(0)", "NULL"),
            ("mod(7, 3)", "1.0"),
            ("mod(7, 0)", "NULL"),
            ("ceil(7)", "7"),
            ("ceil(7.2)", "8.0"),
            ("floor(-7.2)", "-8.0"),
            ("trunc(-7.9)", "-7.0"),
            ("round(degrees(pi()))", "180.0"),
            ("pow(2, 10)", "1024.0"),
        ] {
            let sql = format!("SELECT quote({expression})");
            let found: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(found, expected, "{expression}");
        }
    }
}
