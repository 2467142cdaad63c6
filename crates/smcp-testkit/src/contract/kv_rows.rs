//! What rows of KV namespaces must do, whatever they lie in.

use smcp_core::ports::{KvRow, KvRows, Span, Wrote};
use smcp_types::{TenantId, UnixMillis};

const ONE: TenantId = TenantId::from_bytes([1; 16]);
const TWO: TenantId = TenantId::from_bytes([2; 16]);
const NOW: UnixMillis = UnixMillis(1_000);
const QUOTA: u64 = 4 << 20;

/// Checks all of it on empty rows. Panics at the first rule that does not hold, as a test does.
pub async fn check_kv_rows(rows: &dyn KvRows) {
    values(rows).await;
    lists(rows).await;
    expiry(rows).await;
    quota(rows).await;
}

fn row(key: &str, value: &[u8]) -> KvRow {
    KvRow { key: key.to_owned(), version: 7, value: value.to_vec(), metadata: None, expires_at: None }
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn values(rows: &dyn KvRows) {
    // Keys that a file system, C or Unicode would take for each other.
    let keys = ["a", "A", "a\0b", "a\0c", "../a", "%2f", "é", "e\u{301}", "."];
    for (index, key) in keys.iter().enumerate() {
        let value = vec![u8::try_from(index).unwrap(); 3];
        assert_eq!(rows.put(ONE, "n", &row(key, &value), QUOTA).await, Ok(Wrote::Done));
    }
    for (index, key) in keys.iter().enumerate() {
        let found = rows.get(ONE, "n", key, NOW).await.unwrap().unwrap();
        assert_eq!(found.value, vec![u8::try_from(index).unwrap(); 3], "{key:?}");
    }
    assert_eq!(rows.get(TWO, "n", "a", NOW).await, Ok(None), "another tenant's namespace of the same name");
    assert_eq!(rows.get(ONE, "m", "a", NOW).await, Ok(None));
    // Longer than a row may be, then shorter again: nothing of the longer one is left.
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    for value in [&long[..], b"", &long[..1_048_577], b"short"] {
        let written = KvRow { version: 8, metadata: Some(b"m".to_vec()), ..row("a", value) };
        assert_eq!(rows.put(ONE, "n", &written, QUOTA).await, Ok(Wrote::Done));
        assert_eq!(rows.get(ONE, "n", "a", NOW).await, Ok(Some(written)));
    }
    assert_eq!(rows.namespaces(ONE, 9).await, Ok(vec![("n".to_owned(), 9)]));
    for key in keys {
        rows.delete(ONE, "n", key).await.unwrap();
        rows.delete(ONE, "n", key).await.unwrap();
        assert_eq!(rows.get(ONE, "n", key, NOW).await, Ok(None));
    }
    assert_eq!(rows.used(ONE).await, Ok(0));
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn lists(rows: &dyn KvRows) {
    for key in ["a", "ab", "ab\0", "abc", "b", "\u{10ffff}", "\u{10ffff}x"] {
        rows.put(ONE, "l", &row(key, b"v"), QUOTA).await.unwrap();
    }
    rows.put(TWO, "l", &row("aaa", b"v"), QUOTA).await.unwrap();
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let span = Span { prefix: prefix.to_owned(), after: after.map(str::to_owned), limit };
        let found = rows.list(ONE, "l", &span, NOW).await.unwrap();
        found.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(list("", None, 3).await, ["a", "ab", "ab\0"]);
    assert_eq!(list("", Some("ab"), 2).await, ["ab\0", "abc"]);
    assert_eq!(list("ab", None, 9).await, ["ab", "ab\0", "abc"]);
    assert_eq!(list("ab", Some("a"), 9).await, ["ab", "ab\0", "abc"]);
    assert_eq!(list("\u{10ffff}", None, 9).await, ["\u{10ffff}", "\u{10ffff}x"]);
    assert_eq!(list("x", None, 9).await, [""; 0]);
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn expiry(rows: &dyn KvRows) {
    for (key, at) in [("early", Some(1_500)), ("late", Some(2_500)), ("never", None)] {
        let row = KvRow { expires_at: at.map(UnixMillis), ..row(key, b"v") };
        rows.put(ONE, "e", &row, QUOTA).await.unwrap();
    }
    let there = async |now| {
        let span = Span { limit: 9, ..Span::default() };
        let found = rows.list(ONE, "e", &span, UnixMillis(now)).await.unwrap();
        found.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(there(1_499).await, ["early", "late", "never"]);
    assert_eq!(there(1_500).await, ["late", "never"], "gone in the very moment, swept or not");
    assert_eq!(rows.get(ONE, "e", "early", UnixMillis(1_500)).await, Ok(None));
    let before = rows.used(ONE).await.unwrap();
    assert_eq!(rows.sweep(ONE, UnixMillis(9_000), 1).await, Ok(1));
    assert_eq!(rows.sweep(ONE, UnixMillis(9_000), 9).await, Ok(1));
    assert_eq!(rows.sweep(ONE, UnixMillis(9_000), 9).await, Ok(0));
    assert_eq!(before - rows.used(ONE).await.unwrap(), 5 + 1 + 4 + 1, "what is swept counts no longer");
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn quota(rows: &dyn KvRows) {
    let used = rows.used(ONE).await.unwrap();
    let put = async |key: &str, bytes: usize| {
        rows.put(ONE, "q", &row(key, &vec![0; bytes]), used + 100).await.unwrap()
    };
    assert_eq!(put("k", 99).await, Wrote::Done, "a key counts too");
    assert_eq!(put("l", 0).await, Wrote::OverQuota);
    assert_eq!(put("k", 100).await, Wrote::OverQuota);
    assert_eq!(rows.get(ONE, "q", "k", NOW).await.unwrap().unwrap().value.len(), 99, "nothing has changed");
    assert_eq!(put("k", 89).await, Wrote::Done);
    assert_eq!(put("l", 9).await, Wrote::Done);
    assert_eq!(rows.put(ONE, "q", &row("k", &[0; 5]), 1).await, Ok(Wrote::Done), "what is over may shrink");
    assert_eq!(rows.put(TWO, "q", &row("k", &[0; 50]), 60 + 4).await, Ok(Wrote::Done), "per tenant");
    // Two at the edge: one of them gets in.
    let edge = rows.used(ONE).await.unwrap() + 60;
    let (x, y) = (row("x", &[0; 39]), row("y", &[0; 39]));
    let (a, b) = futures_util::join!(rows.put(ONE, "q", &x, edge), rows.put(ONE, "q", &y, edge));
    let mut both = [a.unwrap(), b.unwrap()];
    both.sort_by_key(|wrote| *wrote != Wrote::Done);
    assert_eq!(both, [Wrote::Done, Wrote::OverQuota]);
}
