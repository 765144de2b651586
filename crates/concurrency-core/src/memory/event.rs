//! To be written.
#![allow(missing_docs, dead_code, unused_variables)]
use super::{NamespaceConfig, Session};
use crate::{EventCapabilities, EventStore, clock::Clock};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub struct EventSpace {}

impl EventSpace {
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self {}
    }
    pub fn capabilities(config: &NamespaceConfig) -> EventCapabilities {
        EventCapabilities::NONE
    }
}

#[derive(Debug)]
pub struct MemoryEvents {
    space: Arc<EventSpace>,
    session: Session,
}

impl MemoryEvents {
    pub fn open(space: Arc<EventSpace>, session: Session) -> Self {
        Self { space, session }
    }
}
#[allow(unused_imports)]
use crate::*;
#[async_trait]
impl EventStore for MemoryEvents {
    fn capabilities(&self) -> EventCapabilities {
        EventCapabilities::NONE
    }
    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        Err(Error::unsupported("x"))
    }
    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        Err(Error::unsupported("x"))
    }
    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        Err(Error::unsupported("x"))
    }
}
