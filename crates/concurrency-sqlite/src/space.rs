//! What the components of state, cache and events stand on: one namespace of a client's file.

use std::{sync::Arc, time::Duration};

use concurrency_core::{Namespace, Result};
use rusqlite::Connection;

use crate::{
    config::NamespaceConfig,
    connection::{Commits, Database, Kind},
    error::Fault,
};

/// A namespace of a client's file, under its options. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    database: Database,
    /// How what is written here is committed.
    kind: Kind,
    bound: Arc<Bound>,
}

#[derive(Debug)]
struct Bound {
    namespace: Namespace,
    config: NamespaceConfig,
}

/// The namespace inside a transaction, or inside the snapshot of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) namespace: &'c str,
    pub(crate) config: &'c NamespaceConfig,
}

impl Bound {
    fn view<'c>(&'c self, connection: &'c Connection) -> View<'c> {
        View { connection, namespace: self.namespace.as_str(), config: &self.config }
    }
}

impl Space {
    pub(crate) fn new(database: Database, kind: Kind, namespace: Namespace, config: NamespaceConfig) -> Self {
        Self { database, kind, bound: Arc::new(Bound { namespace, config }) }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.bound.namespace.as_str()
    }

    pub(crate) fn config(&self) -> &NamespaceConfig {
        &self.bound.config
    }

    /// The namespace inside a transaction of the caller's.
    pub(crate) fn view<'c>(&'c self, connection: &'c Connection) -> View<'c> {
        self.bound.view(connection)
    }

    /// Whether it is of this client.
    pub(crate) fn is_of(&self, database: &Database) -> bool {
        self.database.is(database)
    }

    /// # Errors
    /// `Closed` after the client was.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.database.check_open()
    }

    /// As [`Database::write`], within the limit of a call here.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let bound = Arc::clone(&self.bound);
        self.database.write(self.kind, self.limit(), move |connection| work(bound.view(connection))).await
    }

    /// As [`Database::post`], within the limit of a call here.
    pub(crate) fn post<T: Send + 'static>(&self, work: impl FnOnce(View<'_>) -> Result<T, Fault> + Send + 'static) {
        let bound = Arc::clone(&self.bound);
        self.database.post(self.kind, self.limit(), move |connection| work(bound.view(connection)));
    }

    /// As [`Database::read`], within the limit of a call here.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let bound = Arc::clone(&self.bound);
        self.database.read(self.limit(), move |connection| work(bound.view(connection))).await
    }

    /// As [`Database::read_now`].
    pub(crate) fn read_now<T>(&self, work: impl FnOnce(View<'_>) -> Result<T, Fault>) -> Option<Result<T>> {
        self.database.read_now(|connection| work(self.view(connection)))
    }

    /// As [`Database::read_little`], within the limit of a call here.
    pub(crate) async fn read_little<T: Send + 'static>(
        &self,
        work: impl Fn(View<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let bound = Arc::clone(&self.bound);
        self.database.read_little(self.limit(), move |connection| work(bound.view(connection))).await
    }

    /// As [`Database::commits`].
    pub(crate) fn commits(&self) -> Commits {
        self.database.commits()
    }

    #[cfg(test)]
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    fn limit(&self) -> Duration {
        self.bound.config.operation_timeout
    }
}

/// Keys that go to another thread.
pub(crate) fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}
