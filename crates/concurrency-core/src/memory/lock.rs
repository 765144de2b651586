//! To be written.
#![allow(missing_docs, dead_code, unused_variables)]
use super::{NamespaceConfig, Session};
use crate::{Lock, LockCapabilities, clock::Clock};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub struct LockSpace {}

impl LockSpace {
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self {}
    }
    pub fn capabilities(config: &NamespaceConfig) -> LockCapabilities {
        LockCapabilities::NONE
    }
    pub fn release_all_of(&self, session: &Session) {}
}

#[derive(Debug)]
pub struct MemoryLock {
    space: Arc<LockSpace>,
    session: Session,
}

impl MemoryLock {
    pub fn open(space: Arc<LockSpace>, session: Session) -> Self {
        Self { space, session }
    }
}
#[allow(unused_imports)]
use crate::*;
#[async_trait]
impl Lock for MemoryLock {
    fn capabilities(&self) -> LockCapabilities {
        LockCapabilities::NONE
    }
    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        Err(Error::unsupported("x"))
    }
    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        Err(Error::unsupported("x"))
    }
    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        Err(Error::unsupported("x"))
    }
}
