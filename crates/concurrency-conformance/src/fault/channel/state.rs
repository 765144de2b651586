//! A state store at the other end of a line: the rules of lost replies, G-54 to G-65.

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{
    Bytes, Current, DeleteOptions, Error, FencingToken, Namespace, Precondition, Result, SaveOptions, State,
    StateCapabilities, StateStore, Version, check_distinct_keys, check_key, check_size,
};

use super::{
    line::{Answer, Deadline, Line, Repeat, not_understood, unavailable},
    server::{Reply, Request},
};

/// One key at a time: batches are sent as single calls, commits and listings not at all.
pub(super) fn capabilities(server: StateCapabilities) -> StateCapabilities {
    StateCapabilities { commit: false, list: false, bulk: false, snapshot_reads: false, ..server }
}

/// One client's view of a namespace.
#[derive(Debug)]
pub(super) struct LossyState {
    line: Arc<Line>,
    namespace: String,
    capabilities: StateCapabilities,
}

impl LossyState {
    pub(super) fn new(line: Arc<Line>, namespace: &str) -> Result<Self> {
        Namespace::new(namespace)?;
        let server = line.declared().state.ok_or_else(|| Error::unsupported("state"))?;
        Ok(Self { line, namespace: namespace.to_owned(), capabilities: capabilities(server) })
    }

    async fn call(&self, request: &Request, repeat: Repeat, deadline: Deadline) -> Result<Answer> {
        self.line.call(&self.namespace, request, repeat, deadline, || {}).await
    }

    async fn read(&self, key: &str, deadline: Deadline) -> Result<Option<State>> {
        let request = Request::Load { key: key.to_owned() };
        match self.call(&request, Repeat::UntilAnswered, deadline).await?.reply {
            Reply::Loaded(found) => found,
            _ => Err(not_understood()),
        }
    }

    /// A save that may not be repeated and was not answered: whether it is there now.
    async fn saved_after_all(&self, key: &str, version: Version, lost: Error, deadline: Deadline) -> Result<Version> {
        match self.read(key, deadline).await {
            Ok(Some(state)) if state.version == version => Ok(version),
            _ => Err(lost),
        }
    }
}

/// What a write under a version may be: a second copy does no harm, since a version never comes back.
fn repeat(precondition: Precondition) -> Repeat {
    match precondition {
        Precondition::Match(_) => Repeat::UntilAnswered,
        Precondition::Any | Precondition::Absent | Precondition::Present => Repeat::Never,
    }
}

/// A refusal; of a repeat it says that the version is gone, or the mark above: no copy can take effect any more, but one
/// may have before.
fn refused(error: Error, repeated: bool) -> Error {
    match error {
        Error::Conflict { .. } | Error::Fenced { .. } if repeated => unavailable(true),
        other => other,
    }
}

#[async_trait]
impl StateStore for LossyState {
    fn capabilities(&self) -> StateCapabilities {
        self.capabilities
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        check_key(key)?;
        self.read(key, Deadline::start()).await
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        check_key(key)?;
        options.into_parts()?;
        check_size(value.len(), self.capabilities.max_value)?;
        let (deadline, version) = (Deadline::start(), Version::mint());
        let request = Request::Save { key: key.to_owned(), value, version, options };
        let repeat = repeat(options.precondition());
        let said = match self.call(&request, repeat, deadline).await {
            Err(lost) if repeat == Repeat::Never => return self.saved_after_all(key, version, lost, deadline).await,
            said => said?,
        };
        match said {
            Answer { reply: Reply::Saved(Ok(())), .. } => Ok(version),
            Answer { reply: Reply::Saved(Err(Error::Conflict { current: Current::Version(current), .. })), .. }
                if current == version =>
            {
                Ok(version)
            }
            Answer { reply: Reply::Saved(Err(error)), repeated } => Err(refused(error, repeated)),
            _ => Err(not_understood()),
        }
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        check_key(key)?;
        options.into_parts()?;
        let request = Request::Delete { key: key.to_owned(), options };
        let Answer { reply, repeated } = self.call(&request, repeat(options.precondition()), Deadline::start()).await?;
        match reply {
            Reply::Deleted(deleted) => deleted.map_err(|error| refused(error, repeated)),
            _ => Err(not_understood()),
        }
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        check_distinct_keys(keys.iter().copied())?;
        let token = token.checked()?;
        let request = Request::Fence { keys: keys.iter().map(|&key| key.to_owned()).collect(), token };
        let Answer { reply, repeated } = self.call(&request, Repeat::UntilAnswered, Deadline::start()).await?;
        match reply {
            Reply::Raised(raised) => raised.map_err(|error| refused(error, repeated)),
            _ => Err(not_understood()),
        }
    }
}
