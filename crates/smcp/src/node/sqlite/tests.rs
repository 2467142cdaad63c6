//! The SQLite adapters against the contract of all stores; migrations against the databases people have.

use std::sync::Arc;

use smcp_core::Stores;
use smcp_sql::{
    CONTROL, ControlStore, DATA, EVENTS, EventStore, MigrateError, Migration, MigrationSet, STREAMS,
    Sql as _, Statement, StreamStore, Value, migrate,
};
use smcp_types::UnixMillis;

use super::{Durability, SqlError, Sqlite, is_database};
use crate::node::blobs::Folder;

async fn database(path: &std::path::Path, set: MigrationSet) -> Result<Sqlite, MigrateError> {
    let sql = Sqlite::open(path, Durability::Full).unwrap();
    migrate(&sql, set, UnixMillis(1), || Ok(())).await?;
    Ok(sql)
}

#[tokio::test]
async fn the_real_stores_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let control = database(&folder.path().join("control.db"), CONTROL).await.unwrap();
    let control = Arc::new(ControlStore::new(Arc::new(control)));
    let events = database(&folder.path().join("events.db"), EVENTS).await.unwrap();
    let streams = database(&folder.path().join("streams.db"), STREAMS).await.unwrap();
    let stores = Stores {
        tenants: control.clone(),
        servers: control.clone(),
        versions: control.clone(),
        blobs: Arc::new(Folder::open(folder.path().join("objects")).unwrap()),
        keys: control.clone(),
        sessions: control.clone(),
        ring: control.clone(),
        data_keys: control.clone(),
        secrets: control,
        logs: Arc::new(EventStore::new(Arc::new(events))),
        streams: Arc::new(StreamStore::new(Arc::new(streams))),
    };
    smcp_testkit::check_stores(&stores).await;
}

#[tokio::test]
async fn the_stores_in_memory_keep_it_too() {
    smcp_testkit::check_stores(&smcp_testkit::MemoryStores::stores()).await;
}

const FIRST: Migration = Migration { number: 1, name: "first", sql: "CREATE TABLE a (x INTEGER) STRICT;" };
const SECOND: Migration =
    Migration { number: 2, name: "second", sql: "INSERT INTO a VALUES (1); CREATE TABLE b (y TEXT) STRICT;" };
const BROKEN: Migration = Migration { number: 2, name: "broken", sql: "INSERT INTO a VALUES (7); NOT SQL;" };

fn set(migrations: &'static [Migration]) -> MigrationSet {
    MigrationSet { name: "test", migrations }
}

#[tokio::test]
async fn migrations_go_forwards_once_and_are_backed_up_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    assert_eq!(is_database(&path), Ok(false));
    database(&path, set(&[FIRST])).await.unwrap();
    assert_eq!(is_database(&path), Ok(true));
    let sql = Sqlite::open(&path, Durability::Full).unwrap();
    let copy = folder.path().join("copy.db");
    migrate(&sql, set(&[FIRST, SECOND]), UnixMillis(2), || Sqlite::copy_to(&path, &copy)).await.unwrap();
    migrate(&sql, set(&[FIRST, SECOND]), UnixMillis(3), || panic!("there is nothing to do")).await.unwrap();
    let rows = sql.run(Statement::new("SELECT x FROM a", [])).await;
    assert_eq!(rows, Ok(vec![vec![Value::Integer(1)]]), "the second step ran once");
    let copy = Sqlite::open(&copy, Durability::Full).unwrap();
    let applied = copy.run(Statement::new("SELECT count(*) FROM migrations", [])).await;
    assert_eq!(applied, Ok(vec![vec![Value::Integer(1)]]), "the copy is from before");
}

#[tokio::test]
async fn databases_of_other_builds_are_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    database(&path, set(&[FIRST, SECOND])).await.unwrap();
    let newer = database(&path, set(&[FIRST])).await;
    assert!(matches!(newer, Err(MigrateError::Newer { found: 2, known: 1, .. })));
    let other = Migration { sql: "CREATE TABLE other (x INTEGER) STRICT;", ..FIRST };
    let changed = database(&path, set(Box::leak(Box::new([other, SECOND])))).await;
    assert!(matches!(changed, Err(MigrateError::Changed { number: 1, .. })));
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    database(&path, set(&[FIRST])).await.unwrap();
    assert!(matches!(
        database(&path, set(&[FIRST, BROKEN])).await,
        Err(MigrateError::Sql(SqlError::Failed(_)))
    ));
    let sql = Sqlite::open(&path, Durability::Full).unwrap();
    assert_eq!(sql.run(Statement::new("SELECT x FROM a", [])).await, Ok(vec![]));
}

/// The checksums of everything ever released: a step that people's databases have must never change.
#[tokio::test]
async fn released_steps_do_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::new();
    for set in [CONTROL, DATA, EVENTS, STREAMS] {
        let sql = database(&folder.path().join(set.name), set).await.unwrap();
        for row in sql.run(Statement::new("SELECT number, checksum FROM migrations", [])).await.unwrap() {
            if let [Value::Integer(number), Value::Text(checksum)] = row.as_slice() {
                table += &format!("{} {number} {}\n", set.name, &checksum[..16]);
            }
        }
    }
    insta::assert_snapshot!(table, @r"
    control 1 3c651595fb12611f
    control 2 39bd7ea3ccb8c5db
    control 3 0d3b12d262f8884f
    control 4 e39b9e5a653bfb17
    control 5 4ae3a7cea223af69
    data 1 fd724bf149050e56
    events 1 cc238638584d9301
    events 2 df88a2090eab1ede
    events 3 1a8551aae3594f44
    streams 1 977ca2e4f70cbef2
    ");
}
