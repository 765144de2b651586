//! State stores that do not do what they are asked to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use concurrency_core::{
    DeleteOptions, FencingToken, KeyPage, ListQuery, Precondition, Result, SaveOptions, State, StateCapabilities,
    StateStore, Version, Write,
};

use crate::{model, totals};

/// A store that hands everything on, except for what its file changes.
macro_rules! store {
    ($name:ident { $($own:tt)* }) => {
        #[async_trait]
        impl StateStore for $name {
            fn capabilities(&self) -> StateCapabilities {
                self.there.capabilities()
            }
            async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
                self.there.save(key, value, options).await
            }
            async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
                self.there.delete(key, options).await
            }
            async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
                self.there.load_many(keys).await
            }
            async fn list(&self, query: ListQuery) -> Result<KeyPage> {
                self.there.list(query).await
            }
            async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
                self.there.fence(keys, token).await
            }
            $($own)*
        }
    };
}

/// Saves the stock whatever version it has: of two that read the same, the second undoes the first.
#[derive(Debug)]
pub(super) struct Careless {
    there: Arc<dyn StateStore>,
}

impl Careless {
    pub(super) fn new(there: Arc<dyn StateStore>) -> Self {
        Self { there }
    }
}

store!(Careless {
    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.there.load(key).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.there.commit(without_precondition(writes, |key| key.starts_with(&model::stock_key("")))).await
    }
});

/// Forgets the checkpoint of the totals once in the life of a process: from the first time that there is one to forget, until
/// something was counted again. (Who only looks whether it still is the one that it was, or whose commit fails, looks again, and
/// would have lost nothing.)
#[derive(Debug)]
pub(super) struct Forgetful {
    there: Arc<dyn StateStore>,
    forgets: AtomicBool,
    counted: AtomicBool,
}

impl Forgetful {
    pub(super) fn new(there: Arc<dyn StateStore>) -> Self {
        Self { there, forgets: AtomicBool::new(false), counted: AtomicBool::new(false) }
    }
}

store!(Forgetful {
    async fn load(&self, key: &str) -> Result<Option<State>> {
        let state = self.there.load(key).await?;
        let forgets = key == totals::NAME && state.is_some() && !self.counted.load(Ordering::Relaxed);
        self.forgets.fetch_or(forgets, Ordering::Relaxed);
        Ok(state.filter(|_| !forgets))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        let counts = writes.iter().any(|write| write.key() == totals::NAME);
        let version = self.there.commit(without_precondition(writes, |key| key == totals::NAME)).await?;
        let counted = counts && self.forgets.load(Ordering::Relaxed);
        self.counted.fetch_or(counted, Ordering::Relaxed);
        Ok(version)
    }
});

fn without_precondition(writes: Vec<Write>, of: impl Fn(&str) -> bool) -> Vec<Write> {
    let lift = |mut write| {
        if let Write::Save(save) = &mut write
            && of(&save.key)
        {
            save.options = save.options.when(Precondition::Any);
        }
        write
    };
    writes.into_iter().map(lift).collect()
}
