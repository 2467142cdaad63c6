//! The logbook takes what it can keep, counts what it drops, and never waits.

use std::sync::Arc;

use smcp_core::{
    logbook::Logbook,
    ports::{LogLevel, LogLine, LogSink as _, LogSource, VersionRef},
};
use smcp_testkit::{FakeClock, MemoryStores};
use smcp_types::{Digest, ServerId, TenantId, UnixMillis};

/// A server that prints without end is kept to a bound in bytes and in lines, and its log says what is missing.
#[tokio::test]
async fn a_flood_is_bounded_and_counted() {
    for (bytes, most) in [(8 << 10, 32), (1, 500)] {
        let stores = MemoryStores::stores();
        let book = Logbook::new(stores.logs.clone(), Arc::new(FakeClock::default()));
        let (tenant, server) = (TenantId::from_bytes([1; 16]), ServerId::from_bytes([2; 16]));
        let version = VersionRef { tenant, server, digest: Digest::from_bytes([3; 32]) };
        for n in 0..2_000 {
            let message = "x".repeat(bytes);
            book.append(
                &version,
                LogLine {
                    at: UnixMillis(n),
                    level: LogLevel::Info,
                    source: LogSource::Server,
                    request_id: None,
                    message,
                },
            );
        }
        book.flush().await.unwrap();
        let kept = stores.logs.tail(tenant, server, LogLevel::Debug, 10_000).await.unwrap();
        assert_eq!(kept.len(), most + 1);
        let last = &kept[most].message;
        assert!(last.contains(&format!("{} lines were dropped", 2_000 - most)), "{last}");
    }
}
