//! Wrong backends that several processes share, to prove that the conformance suite would notice a lie between them.
//!
//! A mutant is the real SQLite backend with one sentence broken: its source is copied, one text in it replaced ([`Patch`]),
//! and the result compiled. So a mutant never drifts away from the backend that it distorts, and a patch that no longer applies
//! fails the build.

#[path = "../../src/patch.rs"]
mod patch;
mod patches;

use std::{path::PathBuf, sync::Arc, time::Duration};

use concurrency_core::{Backend, Boxed, Result};

pub use self::{patch::Patch, patches::PATCHES};

/// A wrong backend over a file.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// The component that it breaks: `state` or `lock`.
    pub kind: &'static str,
    /// The sentences that it breaks.
    pub sentences: &'static [&'static str],
    connect: fn(PathBuf, Duration) -> Connecting,
}

type Connecting = Boxed<'static, Result<Arc<dyn Backend>>>;

impl Mutant {
    /// Another client of the file, whose calls may take as long as `operation_timeout`.
    ///
    /// # Errors
    /// Those of the backend's own `connect`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing open; the file may have been created.
    pub async fn connect(&self, file: PathBuf, operation_timeout: Duration) -> Result<Arc<dyn Backend>> {
        (self.connect)(file, operation_timeout).await
    }
}

macro_rules! mutant {
    ($module:ident, $entry:expr) => {
        Mutant {
            name: $entry.1.name,
            kind: $entry.0,
            sentences: $entry.1.sentences,
            connect: |file, timeout| {
                Box::pin(async move {
                    let config = modules::$module::SqliteConfig::new(file).operation_timeout(timeout);
                    Ok(Arc::new(modules::$module::Sqlite::connect(config).await?) as Arc<dyn Backend>)
                })
            },
        }
    };
}

/// All mutants.
#[must_use]
pub fn all() -> Vec<Mutant> {
    include!(concat!(env!("OUT_DIR"), "/entries.rs")).into()
}

mod modules {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
