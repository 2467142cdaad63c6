//! JSON values as JSON Schema compares them: 1 and 1.0 are one number, the order of members means nothing.

use super::evaluate::{Exhausted, Fuel};
use serde_json::{Number, Value};
use std::{
    cmp::Ordering,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// How many values a JSON text has, keys counted too. The text is JSON.
pub(super) fn count(text: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

pub(super) fn is_integer(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// Compares two numbers exactly, however they are written.
pub(super) fn order(a: &Number, b: &Number) -> Ordering {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => order_mixed(a, float(b)),
        (None, Some(b)) => order_mixed(b, float(a)).reverse(),
        (None, None) => float(a).total_cmp(&float(b)),
    }
}

fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// A number that is written as an integer, or is a float with the value of one that fits.
fn integer(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i64() {
        return Some(integer.into());
    }
    if let Some(integer) = number.as_u64() {
        return Some(integer.into());
    }
    let float = number.as_f64()?;
    let fits = float.fract() == 0.0 && float.abs() < 1e36;
    #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^127")]
    fits.then_some(float as i128)
}

/// `b` is no integer, or one beyond every integer that is written as one.
fn order_mixed(a: i128, b: f64) -> Ordering {
    if b.abs() >= 1e36 {
        return if b > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    #[allow(clippy::cast_possible_truncation, reason = "below 2^127")]
    let whole = b.trunc() as i128;
    a.cmp(&whole).then(0.0.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal))
}

/// A positive number as a whole one times a power of ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: u64,
    exponent: i32,
}

impl Decimal {
    /// The amount of a number, its sign left out. Every f64 has its shortest digits, as it was written.
    pub(super) fn of(number: &Number) -> Option<Self> {
        if let Some(integer) = number.as_u64() {
            return Some(Self { digits: integer, exponent: 0 });
        }
        if let Some(integer) = number.as_i64() {
            return Some(Self { digits: integer.unsigned_abs(), exponent: 0 });
        }
        let text = format!("{:e}", number.as_f64()?.abs());
        let (digits, exponent) = text.split_once('e')?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(fraction.len()).ok()?;
        Some(Self { digits: format!("{whole}{fraction}").parse().ok()?, exponent })
    }

    pub(super) const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Whether it is a whole number of times `unit`, which is not zero.
    pub(super) fn is_multiple_of(self, unit: Self) -> bool {
        if self.digits == 0 {
            return true;
        }
        let modulus = u128::from(unit.digits);
        let shift = self.exponent - unit.exponent;
        let tens = shift.unsigned_abs();
        if shift >= 0 {
            let rest = u128::from(self.digits) % modulus * power_of_ten(tens, modulus);
            return rest.is_multiple_of(modulus);
        }
        let larger = 10_u128.checked_pow(tens).and_then(|tens| modulus.checked_mul(tens));
        larger.is_some_and(|larger| u128::from(self.digits).is_multiple_of(larger))
    }
}

/// 10^exponent modulo a number below 2^64.
fn power_of_ten(mut exponent: u32, modulus: u128) -> u128 {
    let (mut result, mut base) = (1 % modulus, 10 % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    result
}

/// Whether two values are the same.
pub(super) fn equal(fuel: &mut Fuel, a: &Value, b: &Value) -> Result<bool, Exhausted> {
    fuel.spend(1)?;
    Ok(match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => order(a, b) == Ordering::Equal,
        (Value::String(a), Value::String(b)) => {
            fuel.read(a.len().min(b.len()))?;
            a == b
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !equal(fuel, a, b)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, a) in a {
                fuel.read(key.len())?;
                match b.get(key) {
                    Some(b) if equal(fuel, a, b)? => {}
                    Some(_) | None => return Ok(false),
                }
            }
            true
        }
        (
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
            _,
        ) => false,
    })
}

/// The same for values that are the same.
pub(super) fn hash(fuel: &mut Fuel, value: &Value) -> Result<u64, Exhausted> {
    fuel.spend(1)?;
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0_u8.hash(&mut hasher),
        Value::Bool(value) => (1_u8, value).hash(&mut hasher),
        Value::Number(number) => match integer(number) {
            Some(integer) => (2_u8, integer).hash(&mut hasher),
            None => (3_u8, float(number).to_bits()).hash(&mut hasher),
        },
        Value::String(text) => {
            fuel.read(text.len())?;
            (4_u8, text).hash(&mut hasher);
        }
        Value::Array(items) => {
            5_u8.hash(&mut hasher);
            for item in items {
                hash(fuel, item)?.hash(&mut hasher);
            }
        }
        Value::Object(members) => {
            let mut sum = 0_u64;
            for (key, value) in members {
                fuel.read(key.len())?;
                let mut member = DefaultHasher::new();
                (key, hash(fuel, value)?).hash(&mut member);
                sum = sum.wrapping_add(member.finish());
            }
            (6_u8, sum).hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}
