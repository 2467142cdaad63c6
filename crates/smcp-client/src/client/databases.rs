//! Operations on tenants' SQL databases.

use std::io::Read;

use smcp_api::{DatabaseImport, DatabaseList, DatabaseQuery, DatabaseResults, DatabaseScript, OperationId};

use super::{Client, plain, target};
use crate::{
    ClientError,
    transport::{Ask, check},
};

impl Client {
    /// The SQL databases of a tenant's servers.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_databases(&self, tenant: &str) -> Result<DatabaseList, ClientError> {
        self.ask(target(OperationId::ListDatabases, &[tenant]))
    }

    /// Runs SQL statements in a database.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn query_database(
        &self,
        tenant: &str,
        database: &str,
        query: &DatabaseQuery,
    ) -> Result<DatabaseResults, ClientError> {
        self.give(target(OperationId::QueryDatabase, &[tenant, database]), query)
    }

    /// A database as a SQL script, to be read as it comes.
    ///
    /// # Errors
    /// `ClientError`; reading fails where the platform breaks off.
    pub fn export_database(&self, tenant: &str, database: &str) -> Result<impl Read + use<>, ClientError> {
        let path = target(OperationId::ExportDatabase, &[tenant, database]).path()?;
        let ask = Ask { all_within: None, ..plain(OperationId::ExportDatabase, &path, None) };
        let response = check(&self.transport.url(&path), self.transport.send(ask)?)?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// Runs a SQL script in a database, which it makes if it is not there.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn import_database(
        &self,
        tenant: &str,
        database: &str,
        script: &DatabaseScript,
    ) -> Result<DatabaseImport, ClientError> {
        self.give(target(OperationId::ImportDatabase, &[tenant, database]), script)
    }

    /// Deletes a database with all that is in it.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn delete_database(&self, tenant: &str, database: &str) -> Result<(), ClientError> {
        self.nothing(target(OperationId::DeleteDatabase, &[tenant, database]))
    }
}
