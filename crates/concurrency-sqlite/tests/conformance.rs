//! The suite, each case on a file of its own.

use std::{sync::Arc, time::Duration};

use concurrency_conformance::{Component, Harness};
use concurrency_core::Backend;
use concurrency_sqlite::{Sqlite, SqliteConfig};

fn harness<C: Component + ?Sized>() -> Harness<C> {
    let folder = Arc::new(tempfile::tempdir().expect("there is room for a temporary folder"));
    Harness::backend(move || {
        // A disk that others keep busy may take seconds to synchronise, which is nothing that the suite is about.
        let config = SqliteConfig::new(folder.path().join("test.db")).operation_timeout(Duration::from_secs(20));
        async { Ok(Arc::new(Sqlite::connect(config).await?) as Arc<dyn Backend>) }
    })
}

concurrency_conformance::state_store!(harness());
concurrency_conformance::cache!(harness());
concurrency_conformance::lock!(harness());
concurrency_conformance::event_store!(harness());
