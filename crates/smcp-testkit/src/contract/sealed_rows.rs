//! The rules of sealed columns that move to a newer key.

use smcp_core::ports::{
    Expected, KvRow, KvRows, ObjectRow, ObjectRows, ObjectSeal, PartRow, PartSeal, SealedRows, SegmentRow,
    Source, StoredId, UploadRow, UploadRows, Wrote,
};
use smcp_types::UnixMillis;

use super::{ONE, TWO};

const QUOTA: u64 = 1 << 30;
const NOW: UnixMillis = UnixMillis(1_000);
/// Longer than what is shown of a sealed column.
const LONG: usize = 50;

/// Checks all of it on empty rows. Panics at the first rule that does not hold, as a test does.
pub async fn check_sealed_rows(rows: &(impl KvRows + ObjectRows + UploadRows + SealedRows)) {
    kv(rows).await;
    objects(rows).await;
    uploads(rows).await;
}

fn value(key: &str, fill: u8, length: usize) -> KvRow {
    KvRow {
        key: key.to_owned(),
        version: 1,
        value: vec![fill; length],
        metadata: Some(vec![fill; LONG]),
        expires_at: Some(UnixMillis(2_000)),
    }
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn kv(rows: &(impl KvRows + SealedRows)) {
    for (tenant, namespace, key) in [(ONE, "a", "y"), (ONE, "a", "z"), (ONE, "b", "x"), (TWO, "a", "y")] {
        KvRows::put(rows, tenant, namespace, &value(key, 1, LONG), QUOTA).await.unwrap();
    }
    let first = SealedRows::kv(rows, ONE, None, 2).await.unwrap();
    let names = |seals: &[smcp_core::ports::KvSeal]| {
        seals.iter().map(|seal| format!("{}/{}", seal.namespace, seal.key)).collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["a/y", "a/z"]);
    assert_eq!((first[0].value.len(), first[0].metadata.as_ref().unwrap().len()), (33, 33), "no more");
    assert_eq!(names(&SealedRows::kv(rows, ONE, Some(("a", "z")), 2).await.unwrap()), ["b/x"]);
    let used = rows.used(ONE).await.unwrap();
    let (before, after) = (value("y", 1, LONG), value("y", 2, LONG));
    assert_eq!(rows.replace_kv(ONE, "a", &value("y", 9, LONG), &after).await, Ok(false), "it is another");
    let newer = KvRow { version: 2, ..before.clone() };
    assert_eq!(rows.replace_kv(ONE, "a", &newer, &KvRow { version: 2, ..after.clone() }).await, Ok(false));
    assert_eq!(rows.replace_kv(ONE, "b", &before, &after).await, Ok(false), "it is not there");
    assert_eq!(rows.replace_kv(ONE, "a", &before, &after).await, Ok(true));
    assert_eq!(rows.replace_kv(ONE, "a", &before, &after).await, Ok(false), "once");
    assert_eq!(KvRows::get(rows, ONE, "a", "y", NOW).await, Ok(Some(after)));
    assert_eq!(KvRows::get(rows, TWO, "a", "y", NOW).await, Ok(Some(before)), "the neighbour's stays");
    assert_eq!(rows.used(ONE).await, Ok(used));
    // In pieces: all of them or none.
    let long = 2_500_000;
    KvRows::put(rows, ONE, "a", &value("y", 3, long), QUOTA).await.unwrap();
    let stale = value("y", 2, long);
    assert_eq!(rows.replace_kv(ONE, "a", &stale, &value("y", 4, long)).await, Ok(false));
    assert_eq!(KvRows::get(rows, ONE, "a", "y", NOW).await, Ok(Some(value("y", 3, long))));
    assert_eq!(rows.replace_kv(ONE, "a", &value("y", 3, long), &value("y", 4, long)).await, Ok(true));
    assert_eq!(KvRows::get(rows, ONE, "a", "y", NOW).await, Ok(Some(value("y", 4, long))));
}

const fn id(number: u8) -> StoredId {
    [number; 16]
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn objects(rows: &(impl ObjectRows + SealedRows)) {
    let object = |key: &str, number: u8, fill: u8| ObjectRow {
        key: key.to_owned(),
        id: id(number),
        head: vec![fill; LONG],
        layout: vec![fill; LONG],
    };
    let how = (Expected::Any, &Source::Segment(None));
    for (bucket, key, number) in [("a", "y", 1), ("a", "z", 2), ("b", "x", 3)] {
        ObjectRows::put(rows, ONE, bucket, &object(key, number, 1), how, QUOTA).await.unwrap();
    }
    let page = rows.objects(ONE, None, 2).await.unwrap();
    assert_eq!(page, [("a".to_owned(), object("y", 1, 1)), ("a".to_owned(), object("z", 2, 1))]);
    assert_eq!(rows.objects(ONE, Some(("a", "z")), 2).await, Ok(vec![("b".to_owned(), object("x", 3, 1))]));
    let seal = |row| ObjectSeal::Object("a".to_owned(), row);
    let (before, after) = (seal(object("y", 1, 1)), seal(object("y", 1, 2)));
    assert_eq!(rows.replace(TWO, &before, &after).await, Ok(false));
    assert_eq!(rows.replace(ONE, &seal(object("y", 7, 1)), &seal(object("y", 7, 2))).await, Ok(false));
    assert_eq!(rows.replace(ONE, &before, &after).await, Ok(true));
    assert_eq!(rows.replace(ONE, &before, &after).await, Ok(false), "once");
    assert_eq!(ObjectRows::get(rows, ONE, "a", "y").await, Ok(Some(object("y", 1, 2))));

    let segment = |number| SegmentRow { id: id(number), bucket: "a".to_owned(), bytes: 1 };
    for number in [11, 12] {
        rows.reserve(ONE, &segment(number), NOW, QUOTA).await.unwrap();
    }
    let owned = Source::Segment(Some(id(12)));
    ObjectRows::put(rows, ONE, "a", &object("y", 4, 1), (Expected::Any, &owned), QUOTA).await.unwrap();
    assert_eq!(
        rows.segments(ONE, id(11), 9).await,
        Ok(vec![(segment(11), false), (segment(12), true)]),
        "from the first one on"
    );
    assert_eq!(rows.segments(ONE, id(12), 1).await, Ok(vec![(segment(12), true)]));
    assert_eq!((rows.has_owner(ONE, id(11)).await, rows.has_owner(ONE, id(12)).await), (Ok(false), Ok(true)));
    ObjectRows::delete(rows, ONE, "a", &["y".to_owned()]).await.unwrap();
    assert_eq!(rows.has_owner(ONE, id(12)).await, Ok(false), "given up");
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn uploads(rows: &(impl ObjectRows + UploadRows + SealedRows)) {
    let upload = |number: u8, fill: u8| UploadRow {
        id: id(number),
        bucket: "a".to_owned(),
        key: "k".to_owned(),
        head: vec![fill; LONG],
        created_at: NOW,
    };
    let part = |number: u32, fill: u8| PartSeal {
        upload: id(21),
        bucket: "a".to_owned(),
        key: "k".to_owned(),
        part: PartRow { number, segment: id(30), head: vec![fill; LONG] },
    };
    for number in [21, 22] {
        rows.create(ONE, &upload(number, 1), QUOTA).await.unwrap();
    }
    let segment = SegmentRow { id: id(30), bucket: "a".to_owned(), bytes: 1 };
    rows.reserve(ONE, &segment, NOW, QUOTA).await.unwrap();
    assert_eq!(UploadRows::put_part(rows, ONE, id(21), &part(1, 1).part).await, Ok(Wrote::Done));
    assert_eq!(rows.has_owner(ONE, id(30)).await, Ok(true), "an upload owns it too");
    assert_eq!(SealedRows::uploads(rows, ONE, None, 1).await, Ok(vec![upload(21, 1)]));
    assert_eq!(SealedRows::uploads(rows, ONE, Some(id(21)), 9).await, Ok(vec![upload(22, 1)]));
    assert_eq!(SealedRows::parts(rows, ONE, None, 9).await, Ok(vec![part(1, 1)]));
    assert_eq!(SealedRows::parts(rows, ONE, Some((id(21), 1)), 9).await, Ok(vec![]));
    let (old, new) = (ObjectSeal::Upload(upload(21, 1)), ObjectSeal::Upload(upload(21, 2)));
    assert_eq!(
        (rows.replace(ONE, &old, &new).await, rows.replace(ONE, &old, &new).await),
        (Ok(true), Ok(false))
    );
    assert_eq!(UploadRows::get(rows, ONE, id(21)).await, Ok(Some(upload(21, 2))));
    let (old, new) = (ObjectSeal::Part(part(1, 1)), ObjectSeal::Part(part(1, 2)));
    assert_eq!(
        (rows.replace(ONE, &old, &new).await, rows.replace(ONE, &old, &new).await),
        (Ok(true), Ok(false))
    );
    assert_eq!(UploadRows::parts(rows, ONE, id(21)).await, Ok(vec![part(1, 2).part]));
    assert!(rows.abort(ONE, id(21)).await.unwrap());
    assert_eq!(rows.replace(ONE, &new, &new).await, Ok(false), "it is over");
}
