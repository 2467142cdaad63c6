//! The store of what hosted code printed.

use async_trait::async_trait;
use smcp_core::ports::{
    LogLevel, LogLine, LogQuery, LogSource, LogStore, StoreError, StoreResult, VersionRef,
};
use smcp_types::{Digest, RequestId, ServerId, TenantId, TraceId, UnixMillis};

use crate::{
    EventStore,
    port::{Sql, Statement, Value},
    row::{Columns, all},
};

const LEVELS: [LogLevel; 4] = [LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

const fn level_number(level: LogLevel) -> i64 {
    match level {
        LogLevel::Debug => 0,
        LogLevel::Info => 1,
        LogLevel::Warn => 2,
        LogLevel::Error => 3,
    }
}

/// The platform's own lines in the column `source`; the server's are 0.
const PLATFORM: i64 = 1;

const fn source_number(source: LogSource) -> i64 {
    match source {
        LogSource::Server => 0,
        LogSource::Platform => PLATFORM,
    }
}

fn read(columns: &mut Columns) -> Result<(Digest, LogLine), StoreError> {
    let version = columns.take()?;
    let at = columns.take()?;
    let number: i64 = columns.take()?;
    let level = LEVELS.into_iter().find(|level| level_number(*level) == number);
    let source = if columns.take::<i64>()? == PLATFORM { LogSource::Platform } else { LogSource::Server };
    let request_id: Option<Vec<u8>> = columns.take()?;
    let trace_id: Option<Vec<u8>> = columns.take()?;
    let line = LogLine {
        at,
        level: level.ok_or_else(|| StoreError::Broken(format!("no log level {number}")))?,
        source,
        request_id: request_id.and_then(|bytes| bytes.try_into().ok()).map(RequestId::from_bytes),
        trace_id: trace_id.and_then(|bytes| bytes.try_into().ok()).and_then(TraceId::from_bytes),
        message: columns.take()?,
    };
    Ok((version, line))
}

fn blob(id: Option<[u8; 16]>) -> Value {
    id.map_or(Value::Null, |bytes| Value::Blob(bytes.to_vec()))
}

#[async_trait]
impl<S: Sql> LogStore for EventStore<S> {
    async fn append(&self, lines: &[(VersionRef, LogLine)]) -> StoreResult<()> {
        let insert =
            "INSERT INTO log_lines (tenant_id, server_id, version, at, level, request_id, message, source, trace_id)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let statement = |(version, line): &(VersionRef, LogLine)| {
            let request = line.request_id.map(|id| *id.as_bytes());
            let trace = line.trace_id.map(|id| *id.as_bytes());
            Statement::new(
                insert,
                [
                    version.tenant.into(),
                    version.server.into(),
                    version.digest.into(),
                    line.at.into(),
                    level_number(line.level).into(),
                    blob(request),
                    line.message.as_str().into(),
                    source_number(line.source).into(),
                    blob(trace),
                ],
            )
        };
        self.sql.batch(lines.iter().map(statement).collect()).await?;
        Ok(())
    }

    async fn tail(
        &self,
        tenant: TenantId,
        server: ServerId,
        LogQuery { level, request, trace }: LogQuery,
        limit: u32,
    ) -> StoreResult<Vec<(Digest, LogLine)>> {
        let select = "SELECT version, at, level, source, request_id, trace_id, message FROM log_lines
                      WHERE tenant_id = ?1 AND server_id = ?2 AND level >= ?3
                        AND (?5 IS NULL OR request_id = ?5) AND (?6 IS NULL OR trace_id = ?6)
                      ORDER BY id DESC LIMIT ?4";
        let (request, trace) = (request.map(|id| *id.as_bytes()), trace.map(|id| *id.as_bytes()));
        let level = level_number(level).into();
        let parameters = [tenant.into(), server.into(), level, limit.into(), blob(request), blob(trace)];
        let mut lines = all(self.sql.run(Statement::new(select, parameters)).await?, read)?;
        lines.reverse();
        Ok(lines)
    }

    async fn sweep(&self, (lines, bytes): (u32, u32), before: UnixMillis) -> StoreResult<()> {
        let old = Statement::new("DELETE FROM log_lines WHERE at < ?1", [before.into()]);
        // Lines that have too many newer ones of their server, or too much text with these together.
        let many = Statement::new(
            "DELETE FROM log_lines WHERE id IN (
               SELECT id FROM (
                 SELECT id, row_number() OVER newest AS place, sum(octet_length(message)) OVER newest AS size
                 FROM log_lines WINDOW newest AS (PARTITION BY tenant_id, server_id ORDER BY id DESC))
               WHERE place > ?1 OR size > ?2)",
            [lines.into(), bytes.into()],
        );
        self.sql.batch(vec![old, many]).await?;
        Ok(())
    }
}
