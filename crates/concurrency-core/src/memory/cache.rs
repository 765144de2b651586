//! To be written.
#![allow(missing_docs, dead_code, unused_variables)]
use super::{NamespaceConfig, Session};
use crate::{Cache, CacheCapabilities, clock::Clock};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub struct CacheSpace {}

impl CacheSpace {
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self {}
    }
    pub fn capabilities(config: &NamespaceConfig) -> CacheCapabilities {
        CacheCapabilities::NONE
    }
}

#[derive(Debug)]
pub struct MemoryCache {
    space: Arc<CacheSpace>,
    session: Session,
}

impl MemoryCache {
    pub fn open(space: Arc<CacheSpace>, session: Session) -> Self {
        Self { space, session }
    }
}
#[allow(unused_imports)]
use crate::*;
#[async_trait]
impl Cache for MemoryCache {
    fn capabilities(&self) -> CacheCapabilities {
        CacheCapabilities::NONE
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Err(Error::unsupported("x"))
    }
    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        Err(Error::unsupported("x"))
    }
    async fn remove(&self, key: &str) -> Result<bool> {
        Err(Error::unsupported("x"))
    }
    async fn clear(&self) -> Result<()> {
        Err(Error::unsupported("x"))
    }
}
