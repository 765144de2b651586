//! An event store at the other end of a line: appends are repeated under their id, E-14.

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{
    AppendId, AppendOptions, Appended, Batch, Current, Error, EventCapabilities, EventStore, ExpectedVersion,
    Namespace, NewEvent, Position, ReadQuery, Result, StreamSlice, check_append,
};

use super::{
    line::{Answer, Deadline, Line, Repeat, not_understood, unavailable},
    server::{Reply, Request},
};

/// Without snapshots and truncation; who waits for changes polls.
pub(super) fn capabilities(server: EventCapabilities) -> EventCapabilities {
    EventCapabilities { snapshots: false, truncate: false, notifies: false, ..server }
}

/// One client's view of a namespace.
#[derive(Debug)]
pub(super) struct LossyEvents {
    line: Arc<Line>,
    namespace: String,
    capabilities: EventCapabilities,
}

impl LossyEvents {
    pub(super) fn new(line: Arc<Line>, namespace: &str) -> Result<Self> {
        Namespace::new(namespace)?;
        let server = line.declared().events.ok_or_else(|| Error::unsupported("events"))?;
        Ok(Self { line, namespace: namespace.to_owned(), capabilities: capabilities(server) })
    }

    async fn call(&self, request: &Request) -> Result<Answer> {
        self.line.call(&self.namespace, request, Repeat::UntilAnswered, Deadline::start(), || {}).await
    }
}

/// Whether a stream that was refused to an append for standing at `current` may yet come to where a late copy of that append
/// is accepted: it only grows.
fn may_yet_hold(expected: ExpectedVersion, current: Current) -> bool {
    let current = match current {
        Current::Absent => 0,
        Current::Stream(version) => version,
        _ => return true,
    };
    match expected {
        ExpectedVersion::Any | ExpectedVersion::Exists => true,
        ExpectedVersion::NoStream => false,
        ExpectedVersion::Exact(wanted) => wanted > current,
    }
}

#[async_trait]
impl EventStore for LossyEvents {
    fn capabilities(&self) -> EventCapabilities {
        self.capabilities
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        check_append(stream, &events, &self.capabilities)?;
        let (expected, id, _) = options.unchecked();
        let options = options.with_append_id(id.unwrap_or_else(AppendId::mint));
        let request = Request::Append { stream: stream.to_owned(), events, options };
        let Answer { reply, repeated } = self.call(&request).await?;
        match reply {
            Reply::Appended(Err(Error::Conflict { current, .. })) if repeated && may_yet_hold(expected, current) => {
                Err(unavailable(false))
            }
            Reply::Appended(appended) => appended,
            _ => Err(not_understood()),
        }
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        match self.call(&Request::Read { stream: stream.to_owned(), query }).await?.reply {
            Reply::Slice(slice) => slice,
            _ => Err(not_understood()),
        }
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        match self.call(&Request::ReadAll { after, limit }).await?.reply {
            Reply::Batch(batch) => batch,
            _ => Err(not_understood()),
        }
    }
}
