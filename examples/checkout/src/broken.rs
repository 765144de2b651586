//! Parts that are broken on purpose, one at a time, so that the demo can show that its audit would notice.

mod lock;
mod store;

use std::{fmt, str::FromStr, sync::Arc};

use async_trait::async_trait;
use concurrency_core::{Backend, Cache, Capabilities, EventStore, Lock, Result, StateStore};

use self::{
    lock::Generous,
    store::{Careless, Forgetful},
};
use crate::model;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Every claim is granted, each under the same token.
    Lock,
    /// The stock is saved whatever version it has.
    Stock,
    /// The projection forgets its checkpoint when it changes hands.
    Events,
    /// The ledger ignores tokens.
    Fence,
}

impl Break {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lock, Self::Stock, Self::Events, Self::Fence];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Stock => "stock",
            Self::Events => "events",
            Self::Fence => "fence",
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Break {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|broken| broken.name() == name);
        known.ok_or_else(|| format!("{name} is nothing that can be broken"))
    }
}

/// A backend with one part broken. `Fence` breaks nothing here: that is the ledger's.
#[derive(Debug)]
pub struct Broken {
    there: Arc<dyn Backend>,
    part: Break,
}

impl Broken {
    /// Breaks a part.
    #[must_use]
    pub fn new(there: Arc<dyn Backend>, part: Break) -> Self {
        Self { there, part }
    }
}

#[async_trait]
impl Backend for Broken {
    fn name(&self) -> &'static str {
        self.there.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.there.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.there.health().await
    }

    async fn close(&self) {
        self.there.close().await;
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        let there = self.there.state_store(namespace)?;
        Ok(match self.part {
            Break::Stock if namespace == model::NAMESPACE => Arc::new(Careless::new(there)),
            Break::Events if namespace == model::TOTALS => Arc::new(Forgetful::new(there)),
            _ => there,
        })
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        self.there.cache(namespace)
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        let there = self.there.lock(namespace)?;
        // Only the locks of orders: a settlement or a projection that ran everywhere at once would be another fault.
        Ok(if self.part == Break::Lock && namespace == model::NAMESPACE {
            Arc::new(Generous::new(there))
        } else {
            there
        })
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        self.there.event_store(namespace)
    }
}
