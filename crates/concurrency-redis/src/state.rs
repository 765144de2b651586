//! State on the server.

mod answer;
mod call;
mod listing;
mod reading;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Bytes, ClockSource, DeleteOptions, Error, Expires, FencingToken, KeyPage, ListQuery, Namespace, Outcome,
    Precondition, Result, Save, SaveOptions, SaveParts, State, StateCapabilities, StateStore, Ttl, Version, Write,
    check_batch_keys, check_commit, check_distinct_keys, check_key, check_keys, check_save_batch, check_size,
};
use redis::Pipeline;

use self::{call::Calls, listing::Tidying};
use crate::{
    config::NamespaceConfig,
    connection::{Client, Deadline, Eviction, Repeat, Server},
    error,
    key::StateKeys,
    script,
};

/// The most keys in one bulk write.
const MAX_BATCH_KEYS: usize = 1000;

/// The state of one namespace.
#[derive(Debug, Clone)]
pub struct RedisState {
    client: Client,
    space: Arc<Space>,
}

/// A namespace and its options.
#[derive(Debug)]
struct Space {
    keys: StateKeys,
    config: NamespaceConfig,
    capabilities: StateCapabilities,
    tidying: Tidying,
}

impl RedisState {
    pub(crate) fn new(client: Client, prefix: &str, namespace: &Namespace, config: NamespaceConfig) -> Self {
        let capabilities = Self::capabilities_under(&config, client.server());
        let keys = StateKeys::new(prefix, namespace);
        Self { client, space: Arc::new(Space { keys, config, capabilities, tidying: Tidying::default() }) }
    }

    /// What a store under this configuration promises on this server.
    pub(crate) fn capabilities_under(config: &NamespaceConfig, server: &Server) -> StateCapabilities {
        // A fencing mark has a lifetime, the index has none: what the server may drop cannot be promised.
        let (fencing, list) = match server.eviction {
            Eviction::Never => (true, true),
            Eviction::Passing => (false, true),
            Eviction::Anything => (false, false),
        };
        StateCapabilities {
            survives: server.survives,
            evictable: server.eviction != Eviction::Never,
            fencing,
            fence_retention: if fencing { config.fence_retention.as_duration() } else { Duration::ZERO },
            commit: true,
            list,
            bulk: true,
            snapshot_reads: true,
            transactions: false,
            clock: ClockSource::Server,
            max_value: config.max_value,
            max_batch_keys: MAX_BATCH_KEYS,
            max_batch_bytes: script::max_batch_bytes(config.max_value),
            max_ttl: Some(Ttl::MAX),
            ttl_granularity: Duration::from_millis(1),
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.space.config.operation_timeout)
    }

    fn calls(&self) -> Calls<'_> {
        Calls { keys: &self.space.keys, kept: self.space.config.fence_retention }
    }

    fn check_fencing(&self, token: Option<FencingToken>) -> Result<()> {
        if token.is_some() && !self.space.capabilities.fencing {
            return Err(Error::unsupported("fencing"));
        }
        Ok(())
    }

    /// A save of which no copy was answered: whether it is there now.
    async fn saved_after_all(&self, key: &str, version: Version, lost: Error, deadline: Deadline) -> Result<Version> {
        if lost.outcome() == Outcome::NotApplied || deadline.has_passed() {
            return Err(lost);
        }
        match self.read(key, deadline).await {
            Ok(Some(state)) if state.version == version => Ok(version),
            _ => Err(lost),
        }
    }

    /// Of several saves of which no copy was answered: repeats those that may be, and looks after the others.
    async fn saved_after_loss(&self, saves: &[Sending<'_>], lost: Error, deadline: Deadline) -> Vec<Result<Version>> {
        let mut answers: Vec<Result<Version>> = saves.iter().map(|_| Err(lost.clone())).collect();
        if lost.outcome() == Outcome::NotApplied || deadline.has_passed() {
            return answers;
        }
        let (again, others): (Vec<_>, Vec<_>) = (0..saves.len()).partition(|place| saves[*place].may_repeat());
        if !again.is_empty() {
            let calls = pipeline(again.iter().map(|place| self.calls().save(&saves[*place])));
            if let Ok(said) = self.client.call_many(&script::SAVE, &calls, Repeat::UntilAnswered, deadline).await {
                for (place, said) in again.into_iter().zip(said) {
                    answers[place] = saves[place].judge(said, true);
                }
            }
        }
        let keys: Vec<&str> = others.iter().map(|place| saves[*place].key).collect();
        if let Ok(states) = self.read_many(&keys, deadline).await {
            for (place, state) in others.into_iter().zip(states) {
                if state.is_some_and(|state| state.version == saves[place].version) {
                    answers[place] = Ok(saves[place].version);
                }
            }
        }
        answers
    }
}

/// A save that was checked.
#[derive(Debug)]
struct Sending<'s> {
    key: &'s str,
    value: &'s [u8],
    version: Version,
    parts: SaveParts,
}

impl Sending<'_> {
    /// A second copy does no harm, or its answer tells: a version never comes back.
    fn may_repeat(&self) -> bool {
        matches!(self.parts.precondition, Precondition::Match(_))
    }

    fn repeat(&self) -> Repeat {
        if self.may_repeat() { Repeat::UntilAnswered } else { Repeat::Never }
    }
}

fn pipeline(calls: impl Iterator<Item = redis::Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for call in calls {
        pipeline.add_command(call);
    }
    pipeline
}

#[async_trait]
impl StateStore for RedisState {
    fn capabilities(&self) -> StateCapabilities {
        self.space.capabilities
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.client.check_open()?;
        check_key(key)?;
        self.read(key, self.deadline()).await
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.client.check_open()?;
        check_key(key)?;
        let parts = options.into_parts()?;
        check_size(value.len(), self.space.config.max_value)?;
        self.check_fencing(parts.fenced_by)?;
        let (deadline, version) = (self.deadline(), Version::mint());
        let sending = Sending { key, value: &value, version, parts };
        let call = self.calls().save(&sending);
        let said = self.client.call(&script::SAVE, &call, sending.repeat(), deadline).await;
        let saved = match said {
            Err(lost) if !sending.may_repeat() => self.saved_after_all(key, version, lost, deadline).await,
            said => sending.judge(said, false),
        };
        if saved.is_ok() && parts.expires != Expires::Never {
            self.tidy_now_and_then();
        }
        saved
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.client.check_open()?;
        check_key(key)?;
        let parts = options.into_parts()?;
        self.check_fencing(parts.fenced_by)?;
        let repeat = match parts.precondition {
            Precondition::Match(_) => Repeat::UntilAnswered,
            _ => Repeat::Never,
        };
        let call = self.calls().delete(key, &parts);
        let said = self.client.call(&script::DELETE, &call, repeat, self.deadline()).await?;
        answer::deleted(key, &parts, &said)
    }

    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        self.client.check_open()?;
        check_keys(keys.iter().copied())?;
        self.read_many(keys, self.deadline()).await
    }

    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        let refused = self.client.check_open().and_then(|()| check_save_batch(&saves, &self.space.capabilities));
        if let Err(refused) = refused {
            return saves.iter().map(|_| Err(refused.clone())).collect();
        }
        let check = |save: &Save| {
            check_key(&save.key)?;
            let parts = save.options.into_parts()?;
            check_size(save.value.len(), self.space.config.max_value)?;
            self.check_fencing(parts.fenced_by)?;
            Ok(parts)
        };
        let checked: Vec<Result<SaveParts>> = saves.iter().map(check).collect();
        let sending: Vec<Sending<'_>> = saves
            .iter()
            .zip(&checked)
            .filter_map(|(Save { key, value, .. }, parts)| {
                Some(Sending { key, value, version: Version::mint(), parts: *parts.as_ref().ok()? })
            })
            .collect();
        let mut sent = self.send_saves(&sending).await.into_iter();
        if sending.iter().any(|sending| sending.parts.expires != Expires::Never) {
            self.tidy_now_and_then();
        }
        let answer =
            |checked: Result<SaveParts>| checked.and_then(|_| sent.next().expect("one for each that was sent"));
        checked.into_iter().map(answer).collect()
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.client.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.space.capabilities)?;
        if keys.is_empty() {
            return Ok(0);
        }
        let any = DeleteOptions::new().into_parts()?;
        let calls = pipeline(keys.iter().map(|key| self.calls().delete(key, &any)));
        let said = self.client.call_many(&script::DELETE, &calls, Repeat::Never, self.deadline()).await?;
        let mut deleted = 0;
        for (key, said) in keys.iter().zip(said) {
            deleted += u64::from(answer::deleted(key, &any, &said?)?);
        }
        Ok(deleted)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.client.check_open()?;
        check_commit(&writes, &self.space.capabilities)?;
        for write in &writes {
            self.check_fencing(call::token(write)?)?;
        }
        let (deadline, version) = (self.deadline(), Version::mint());
        let call = self.calls().commit(&writes, version)?;
        let repeat = if writes.iter().any(call::is_under_version) { Repeat::UntilAnswered } else { Repeat::Never };
        let lost = match self.client.call(&script::COMMIT, &call, repeat, deadline).await {
            Ok(said) => return answer::committed(&writes, version, &said),
            Err(lost) => lost,
        };
        // One key that it saves shows whether all of it is there.
        match writes.iter().find(|write| matches!(write, Write::Save(_))) {
            Some(saved) if repeat == Repeat::Never => self.saved_after_all(saved.key(), version, lost, deadline).await,
            _ => Err(lost),
        }
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.client.check_open()?;
        let parts = query.into_parts()?;
        if !self.space.capabilities.list {
            return Err(Error::unsupported("list"));
        }
        self.page(&parts, self.deadline()).await
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.client.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.space.capabilities)?;
        let token = token.checked()?;
        self.check_fencing(Some(token))?;
        if keys.is_empty() {
            return Ok(());
        }
        let call = self.calls().fence(keys, token);
        let said = self.client.call(&script::FENCE, &call, Repeat::UntilAnswered, self.deadline()).await?;
        answer::raised(keys, token, &said)
    }
}

impl RedisState {
    /// One answer for each.
    async fn send_saves(&self, saves: &[Sending<'_>]) -> Vec<Result<Version>> {
        if saves.is_empty() {
            return Vec::new();
        }
        let deadline = self.deadline();
        let calls = pipeline(saves.iter().map(|save| self.calls().save(save)));
        let repeat = if saves.iter().all(Sending::may_repeat) { Repeat::UntilAnswered } else { Repeat::Never };
        match self.client.call_many(&script::SAVE, &calls, repeat, deadline).await {
            Ok(said) if said.len() == saves.len() => {
                saves.iter().zip(said).map(|(save, said)| save.judge(said, false)).collect()
            }
            Ok(_) => saves.iter().map(|_| Err(error::not_understood())).collect(),
            Err(lost) => self.saved_after_loss(saves, lost, deadline).await,
        }
    }
}
