//! What every log of event streams must do.

use smcp_core::{
    Stores,
    ports::{Scope, StoreError, StreamEvent, StreamRecord},
};
use smcp_types::{StreamId, TenantId, UnixMillis};

use super::{ONE, TWO};

const MINE: Scope = Scope([1; 16]);
const THEIRS: Scope = Scope([2; 16]);

fn stream(tenant: TenantId, id: u8, scope: Scope) -> StreamRecord {
    let requests = "[1]".to_owned();
    let id = StreamId::from_bytes([id; 16]);
    StreamRecord { tenant, id, scope, requests, last: 0, ended: false, expires_at: UnixMillis(100) }
}

fn events(numbers: std::ops::RangeInclusive<i64>) -> Vec<StreamEvent> {
    numbers.map(|number| StreamEvent { number, sealed: vec![7; 10] }).collect()
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
async fn numbers(stores: &Stores, stream: &StreamRecord, after: i64) -> Vec<i64> {
    let events = stores.streams.after(stream.tenant, stream.id, after, 10).await.unwrap();
    events.into_iter().map(|event| event.number).collect()
}

#[allow(clippy::unwrap_used, reason = "a test in all but place")]
pub(super) async fn check(stores: &Stores) {
    let log = &stores.streams;
    let (mut first, second) = (stream(ONE, 1, MINE), stream(ONE, 2, MINE));
    let (other, neighbour) = (stream(ONE, 3, THEIRS), stream(TWO, 1, MINE));
    assert_eq!(log.stream(ONE, first.id).await, Ok(None));
    for stream in [&first, &second, &other, &neighbour] {
        log.append(stream, &events(1..=2)).await.unwrap();
    }
    (first.last, first.ended, first.expires_at) = (4, true, UnixMillis(200));
    log.append(&first, &events(3..=4)).await.unwrap();
    assert_eq!(log.append(&first, &events(4..=5)).await, Err(StoreError::Taken));
    assert_eq!(log.stream(ONE, first.id).await, Ok(Some(first.clone())));
    assert_eq!(log.stream(TWO, first.id).await, Ok(Some(neighbour.clone())), "of its own tenant");
    assert_eq!(numbers(stores, &first, 0).await, [1, 2, 3, 4]);
    assert_eq!(numbers(stores, &first, 3).await, [4], "a refused batch leaves nothing");
    assert_eq!(log.after(ONE, first.id, 0, 1).await, Ok(events(1..=1)));

    log.trim(ONE, MINE, 35, 10).await.unwrap();
    assert_eq!(numbers(stores, &first, 0).await, [3, 4], "the newest, over all streams of the scope");
    assert_eq!(numbers(stores, &second, 0).await, [2]);
    log.trim(ONE, MINE, 1_000, 1).await.unwrap();
    assert_eq!((log.stream(ONE, second.id).await, numbers(stores, &second, 0).await), (Ok(None), vec![]));
    assert_eq!(numbers(stores, &first, 0).await, [3, 4], "the newest stream");
    for stream in [&other, &neighbour] {
        assert_eq!(numbers(stores, stream, 0).await, [1, 2], "nobody else's");
    }

    log.forget(ONE, THEIRS).await.unwrap();
    assert_eq!((log.stream(ONE, other.id).await, numbers(stores, &other, 0).await), (Ok(None), vec![]));
    assert_eq!(log.sweep(UnixMillis(100), 10).await, Ok(1), "the neighbour's");
    assert_eq!(
        (log.stream(TWO, neighbour.id).await, numbers(stores, &neighbour, 0).await),
        (Ok(None), vec![])
    );
    assert_eq!(log.sweep(UnixMillis(199), 10).await, Ok(0));
    assert_eq!(log.sweep(UnixMillis(200), 10).await, Ok(1));
    assert!(numbers(stores, &first, 0).await.is_empty());
}
