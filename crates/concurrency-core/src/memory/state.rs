//! To be written.
#![allow(missing_docs, dead_code, unused_variables)]
use super::{NamespaceConfig, Session};
use crate::{StateCapabilities, StateStore, clock::Clock};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub struct StateSpace {}

impl StateSpace {
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self {}
    }
    pub fn capabilities(config: &NamespaceConfig) -> StateCapabilities {
        StateCapabilities::NONE
    }
}

#[derive(Debug)]
pub struct MemoryState {
    space: Arc<StateSpace>,
    session: Session,
}

impl MemoryState {
    pub fn open(space: Arc<StateSpace>, session: Session) -> Self {
        Self { space, session }
    }
}
#[allow(unused_imports)]
use crate::*;
#[async_trait]
impl StateStore for MemoryState {
    fn capabilities(&self) -> StateCapabilities {
        StateCapabilities::NONE
    }
    async fn load(&self, key: &str) -> Result<Option<State>> {
        Err(Error::unsupported("x"))
    }
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        Err(Error::unsupported("x"))
    }
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        Err(Error::unsupported("x"))
    }
}
