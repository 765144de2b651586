//! Events on the server.
//!
//! All events of a namespace stand in one sorted set, the log, by their positions. Beside each stream stands a string with one
//! record of 24 bytes for each of its versions: where the event is in the log, and under which append id it came. So both orders are
//! read by range, an append touches the same few names however long the log is, and what is truncated gives its memory back.
//! ([`stored`] describes the bytes, [`crate::key`] the names.)
//!
//! - *Order.* Scripts run one after the other, and each takes its positions in the step that stores its events: no reader steps
//!   over one. A position is max(last + 1, the server's clock in microseconds), as the tokens of locks are, and so goes on rising when the
//!   data are lost, or an older dump comes back: whoever goes on reading skips nothing that comes then.
//! - *Loss.* The log has a tag, a member of its own at position 0, of which the counters and every stream have a copy. Where
//!   one of them is missing (an eviction takes one name at a time), there is no log, and its streams were never appended to.
//!   The next append begins another one under a new tag, its first position, so that positions of an older log are known as such.
//! - *Rewinding* is always declared. Redis replicates after it has answered, so that a failover takes acknowledged events back,
//!   and no setting tells whether there will be one; nor whether somebody restores a dump, or empties the database. A subscription
//!   then verifies its checkpoint with every read, which costs it one event more, and no request.
//! - *Repeats.* The script looks an append id up before anything else, so an append is repeated until it is answered. A refusal
//!   of a repeat says that no earlier copy was carried out; where one still could be, the outcome is unknown. What a stream
//!   remembers of an append id is 30 bytes in a hash, until its first event is truncated and seven days are over. A truncated one
//!   is found by its record, which is kept as long: records are in the order of time, so that forgetting looks at nothing else.
//! - *Truncation* removes up to a thousand events a script, from the front, each step whole: a reader sees a stream that begins
//!   later, never one with a hole.
//! - *Pages* end with the event that reaches 16 MiB. The counters know the largest event there ever was, so that the server never
//!   reads more than that at a time, and mostly reads a page as one range.
//! - *News* are published by the append's own script. A store subscribes when it is waited on for the first time. A push is
//!   a hint: who waits looks before, after a gap, and every second.
//!
//! Why a sorted set and not a stream of Redis (`XADD`), which is smaller for small events? Of 100,000, one of 80 bytes takes 184 bytes in a set
//! and 112 in a stream, one of 280 bytes 408 and 354, and one of 1,000 bytes 1,112 and 1,151. But a stream gives back what is deleted only
//! with a whole node of it: when 95 of 100 events were deleted, evenly spread, it kept 100 %, 65 % and 20 % of its memory, and the set 11 %,
//! 8 % and 6 %. (Redis 7.0.15: `MEMORY USAGE name SAMPLES 0` after an `EVAL` of as many `ZADD` or `XADD`, and after `XDEL` or `ZREMRANGEBYSCORE`.)

mod answer;
mod call;
mod changed;
mod forget;
mod stored;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    AppendOptions, Appended, Batch, Error, EventCapabilities, EventStore, Namespace, NewEvent, Position, ReadQuery,
    Result, Snapshot, StreamSlice, check_append, check_key, check_limit, check_size,
};
use redis::{Cmd, Value, cmd};
use tokio::sync::OnceCell;

use self::{call::Calls, forget::Forgetting};
use crate::{
    config::NamespaceConfig,
    connection::{Answer, Client, Deadline, Eviction, Listener, Repeat, Server},
    error,
    key::EventKeys,
    script::{self, Script},
};

/// The most events of one append.
const MAX_BATCH_EVENTS: usize = 1000;
/// How long an append id is known at least, also where the first event of its append was truncated.
const ID_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// The event streams of one namespace.
#[derive(Clone)]
pub struct RedisEvents {
    client: Client,
    space: Arc<Space>,
}

/// A namespace and its options.
struct Space {
    keys: EventKeys,
    config: NamespaceConfig,
    capabilities: EventCapabilities,
    id_kept: Duration,
    /// Of appends to this namespace; from when it was waited on first.
    news: OnceCell<Listener>,
    forgetting: Forgetting,
}

impl fmt::Debug for RedisEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, space } = self;
        f.debug_struct("RedisEvents").field("client", client).field("keys", &space.keys).finish_non_exhaustive()
    }
}

impl RedisEvents {
    pub(crate) fn new(client: Client, prefix: &str, namespace: &Namespace, config: NamespaceConfig) -> Self {
        let capabilities = Self::capabilities_under(&config, client.server());
        let space = Space {
            keys: EventKeys::new(prefix, namespace),
            config,
            capabilities,
            id_kept: ID_KEPT,
            news: OnceCell::new(),
            forgetting: Forgetting::default(),
        };
        Self { client, space: Arc::new(space) }
    }

    /// What a store under this configuration promises on this server.
    pub(crate) fn capabilities_under(config: &NamespaceConfig, server: &Server) -> EventCapabilities {
        EventCapabilities {
            survives: server.survives,
            log_may_rewind: true,
            // A mark is part of its stream, which has no lifetime.
            fencing: server.eviction != Eviction::Anything,
            snapshots: true,
            truncate: true,
            notifies: true,
            max_event: config.max_value,
            max_batch_events: MAX_BATCH_EVENTS,
            max_batch_bytes: script::max_batch_bytes(config.max_value),
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.space.config.operation_timeout)
    }

    fn calls(&self) -> Calls<'_> {
        let Space { keys, config, id_kept, .. } = &*self.space;
        Calls { keys, mark_kept: config.fence_retention, id_kept: *id_kept }
    }

    /// The answer of a script that a second copy of the call does not harm.
    async fn call(&self, script: &'static Script, call: &Cmd, deadline: Deadline) -> Result<Answer> {
        self.client.call(script, call, Repeat::UntilAnswered, deadline).await
    }

    /// The answer of a script that changes nothing.
    async fn ask(&self, script: &'static Script, call: &Cmd) -> Result<Answer> {
        self.call(script, call, self.deadline()).await.map_err(error::without_effect)
    }

    /// Removes the events below a version, and forgets the append ids that nothing keeps any more.
    async fn shorten(&self, stream: &str, version: u64, deadline: Deadline) -> Result<()> {
        let call = self.calls().truncate(stream, version);
        let mut has_removed = false;
        loop {
            let said = self.call(&script::TRUNCATE, &call, deadline).await.and_then(answer::truncated);
            match said {
                Ok(false) => return Ok(()),
                Ok(true) => has_removed = true,
                Err(error) if has_removed => return Err(error::with_outcome(error, error::UNKNOWN)),
                Err(error) => return Err(error),
            }
        }
    }
}

#[async_trait]
impl EventStore for RedisEvents {
    fn capabilities(&self) -> EventCapabilities {
        self.space.capabilities
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        self.client.check_open()?;
        check_key(stream)?;
        let parts = options.into_parts()?;
        check_append(stream, &events, &self.space.capabilities)?;
        if parts.fenced_by.is_some() && !self.space.capabilities.fencing {
            return Err(Error::unsupported("fencing"));
        }
        let call = self.calls().append(stream, &events, &parts);
        drop(events);
        let said = self.call(&script::APPEND, &call, self.deadline()).await?;
        answer::appended(stream, &parts, said)
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        self.client.check_open()?;
        check_key(stream)?;
        let call = self.calls().read(stream, &query.into_parts()?);
        self.ask(&script::READ_STREAM, &call).await.and_then(answer::slice)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        self.client.check_open()?;
        let call = self.calls().read_all(after, check_limit(limit)?);
        let said = self.ask(&script::READ_LOG, &call).await?;
        answer::batch(after, said)
    }

    async fn changed(&self, after: Position) -> Result<()> {
        self.client.check_open()?;
        self.wait_for_news(after).await
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.client.check_open()?;
        check_key(stream)?;
        let found = self.client.read(cmd("GET").arg(self.space.keys.snapshot(stream)), self.deadline()).await?;
        match found {
            Value::Nil => Ok(None),
            Value::BulkString(stored) => stored::read_snapshot(stored).map(Some),
            _ => Err(error::not_understood()),
        }
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.client.check_open()?;
        check_key(stream)?;
        if snapshot.version == 0 {
            return Err(Error::invalid("snapshot", "its version is 1 or more"));
        }
        check_size(snapshot.data.len(), self.space.config.max_value)?;
        let call = self.calls().save_snapshot(stream, &snapshot);
        self.call(&script::SAVE_SNAPSHOT, &call, self.deadline()).await.and_then(answer::saved)
    }

    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()> {
        self.client.check_open()?;
        check_key(stream)?;
        self.shorten(stream, version, self.deadline()).await?;
        self.forget_what_is_due();
        Ok(())
    }
}
