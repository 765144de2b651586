//! State stores over a line.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Bytes, DeleteOptions, Error, Expires, FencingToken, KeyPage, KeyVersion, ListParts, ListQuery, Precondition,
    Result, Save, SaveOptions, State, StateCapabilities, StateStore, Version, Write,
};
use serde::{Deserialize, Serialize};

use super::{
    backend::Caller,
    wire::{Refusal, What},
};

#[derive(Serialize, Deserialize)]
pub(super) enum Call {
    Load(String),
    Save(Saving),
    Delete(String, Deleting),
    LoadMany(Vec<String>),
    SaveMany(Vec<Saving>),
    DeleteMany(Vec<String>),
    Commit(Vec<Writing>),
    List { prefix: String, after: Option<String>, limit: usize },
    Fence(Vec<String>, FencingToken),
}

/// As [`Precondition`].
#[derive(Serialize, Deserialize)]
pub(super) enum Condition {
    Any,
    Absent,
    Present,
    Match([u8; 16]),
}

/// As [`Save`].
#[derive(Serialize, Deserialize)]
pub(super) struct Saving {
    key: String,
    value: Bytes,
    condition: Condition,
    lifetime: Lifetime,
    fenced_by: Option<FencingToken>,
}

/// As [`Expires`].
#[derive(Serialize, Deserialize)]
enum Lifetime {
    Never,
    After(Duration),
    Keep,
}

/// As [`DeleteOptions`].
#[derive(Serialize, Deserialize)]
pub(super) struct Deleting {
    condition: Condition,
    fenced_by: Option<FencingToken>,
}

/// As [`Write`].
#[derive(Serialize, Deserialize)]
pub(super) enum Writing {
    Save(Saving),
    Delete(String, Deleting),
    Check(String, Condition),
}

/// A value, its version, and what remains of it.
type Loaded = Option<(Bytes, [u8; 16], Option<Duration>)>;

impl From<Precondition> for Condition {
    fn from(precondition: Precondition) -> Self {
        match precondition {
            Precondition::Any => Self::Any,
            Precondition::Absent => Self::Absent,
            Precondition::Present => Self::Present,
            Precondition::Match(version) => Self::Match(version.to_bytes()),
        }
    }
}

impl From<Condition> for Precondition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Any => Self::Any,
            Condition::Absent => Self::Absent,
            Condition::Present => Self::Present,
            Condition::Match(version) => Self::Match(Version::from_bytes(version)),
        }
    }
}

impl Saving {
    fn new(save: Save) -> Self {
        let (precondition, expires, fenced_by) = save.options.unchecked();
        let lifetime = match expires {
            Expires::Never => Lifetime::Never,
            Expires::After(ttl) => Lifetime::After(ttl),
            Expires::Keep => Lifetime::Keep,
        };
        Self { key: save.key, value: save.value, condition: precondition.into(), lifetime, fenced_by }
    }

    fn save(self) -> Save {
        let options = SaveOptions::new().when(self.condition.into());
        let options = match self.lifetime {
            Lifetime::Never => options,
            Lifetime::After(ttl) => options.with_ttl(ttl),
            Lifetime::Keep => options.keep_ttl(),
        };
        let options = match self.fenced_by {
            Some(token) => options.fenced_by(token),
            None => options,
        };
        Save::new(self.key, self.value, options)
    }
}

impl Deleting {
    fn new(options: DeleteOptions) -> Self {
        let (precondition, fenced_by) = options.unchecked();
        Self { condition: precondition.into(), fenced_by }
    }

    fn options(self) -> DeleteOptions {
        let options = DeleteOptions::new().when(self.condition.into());
        match self.fenced_by {
            Some(token) => options.fenced_by(token),
            None => options,
        }
    }
}

impl Writing {
    fn new(write: Write) -> Self {
        match write {
            Write::Save(save) => Self::Save(Saving::new(save)),
            Write::Delete { key, options } => Self::Delete(key, Deleting::new(options)),
            Write::Check { key, precondition } => Self::Check(key, precondition.into()),
        }
    }

    fn write(self) -> Write {
        match self {
            Self::Save(saving) => Write::Save(saving.save()),
            Self::Delete(key, deleting) => Write::delete(key, deleting.options()),
            Self::Check(key, condition) => Write::check(key, condition.into()),
        }
    }
}

fn loaded(state: Option<State>) -> Loaded {
    state.map(|state| (state.value, state.version.to_bytes(), state.expires_in))
}

fn state(loaded: Loaded) -> Option<State> {
    loaded.map(|(value, version, expires_in)| State::new(value, Version::from_bytes(version), expires_in))
}

/// A state store in another process.
#[derive(Debug)]
pub(super) struct PeerState {
    pub(super) caller: Caller,
    /// Of the same in this process.
    pub(super) capabilities: StateCapabilities,
}

impl PeerState {
    async fn ask<T: serde::de::DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.caller.ask(|namespace| What::State { namespace, call }).await
    }
}

#[async_trait]
impl StateStore for PeerState {
    fn capabilities(&self) -> StateCapabilities {
        self.capabilities
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.ask(Call::Load(key.to_owned())).await.map(state)
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        let saving = Saving::new(Save::new(key, value, options));
        self.ask(Call::Save(saving)).await.map(Version::from_bytes)
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.ask(Call::Delete(key.to_owned(), Deleting::new(options))).await
    }

    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        let states: Vec<Loaded> = self.ask(Call::LoadMany(owned(keys))).await?;
        Ok(states.into_iter().map(state).collect())
    }

    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        let count = saves.len();
        let saves = saves.into_iter().map(Saving::new).collect();
        match self.ask::<Vec<Result<[u8; 16], Refusal>>>(Call::SaveMany(saves)).await {
            Ok(answers) => {
                answers.into_iter().map(|answer| answer.map(Version::from_bytes).map_err(Error::from)).collect()
            }
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.ask(Call::DeleteMany(owned(keys))).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        let writes = writes.into_iter().map(Writing::new).collect();
        self.ask(Call::Commit(writes)).await.map(Version::from_bytes)
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        let ListParts { prefix, after, limit } = query.unchecked();
        let (keys, next): (Vec<(String, [u8; 16])>, _) = self.ask(Call::List { prefix, after, limit }).await?;
        let keys = keys.into_iter().map(|(key, version)| KeyVersion { key, version: Version::from_bytes(version) });
        Ok(KeyPage { keys: keys.collect(), next })
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.ask(Call::Fence(owned(keys), token)).await
    }
}

/// Makes a call, in the process that was asked to.
pub(super) async fn answer(store: Arc<dyn StateStore>, call: Call) -> Bytes {
    use super::server::encoded;
    match call {
        Call::Load(key) => encoded(store.load(&key).await.map(loaded)),
        Call::Save(saving) => {
            let Save { key, value, options } = saving.save();
            encoded(store.save(&key, value, options).await.map(Version::to_bytes))
        }
        Call::Delete(key, deleting) => encoded(store.delete(&key, deleting.options()).await),
        Call::LoadMany(keys) => {
            let states = store.load_many(&borrowed(&keys)).await;
            encoded(states.map(|states| states.into_iter().map(loaded).collect::<Vec<_>>()))
        }
        Call::SaveMany(saves) => {
            let answers = store.save_many(saves.into_iter().map(Saving::save).collect()).await;
            let answers = answers.into_iter().map(|answer| answer.map(Version::to_bytes).map_err(Refusal::from));
            encoded(Ok(answers.collect::<Vec<_>>()))
        }
        Call::DeleteMany(keys) => encoded(store.delete_many(&borrowed(&keys)).await),
        Call::Commit(writes) => {
            let writes = writes.into_iter().map(Writing::write).collect();
            encoded(store.commit(writes).await.map(Version::to_bytes))
        }
        Call::List { prefix, after, limit } => {
            let query = ListQuery::prefix(prefix).limit(limit);
            let query = match after {
                Some(key) => query.after(key),
                None => query,
            };
            let page = store.list(query).await.map(|page| {
                let keys = page.keys.into_iter().map(|found| (found.key, found.version.to_bytes()));
                (keys.collect::<Vec<_>>(), page.next)
            });
            encoded(page)
        }
        Call::Fence(keys, token) => encoded(store.fence(&borrowed(&keys), token).await),
    }
}

pub(super) fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

pub(super) fn borrowed(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}
