//! State in this process: the model of the contract for [`StateStore`].
//!
//! One ordered map of values, one of fencing marks, behind one mutex: every call is one atomic step. Each rule of the contract
//! stands on a line of its own; the suite's mutants break them one at a time.

use std::{
    collections::{BTreeMap, btree_map::Range},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{NamespaceConfig, Session};
use crate::{
    Bytes, ClockSource, DeleteOptions, DeleteParts, Error, Expires, FencingToken, KeyPage, KeyVersion, ListParts,
    ListQuery, Precondition, Result, Save, SaveOptions, SaveParts, State, StateCapabilities, StateStore, Survives, Ttl,
    Version, Write, check_batch_keys, check_commit, check_distinct_keys, check_key, check_keys, check_save_batch,
    check_size,
    clock::{BootInstant, Clock},
};

/// The most keys in one bulk write.
const MAX_BATCH_KEYS: usize = 1000;

/// The state of one namespace, as a server would hold it.
///
/// Expired values and marks are removed by the way, once for as many writes as entries were left the last time: memory stays
/// in proportion to what lives.
#[derive(Debug)]
pub struct StateSpace {
    config: NamespaceConfig,
    clock: Clock,
    table: Mutex<Table>,
}

impl StateSpace {
    /// An empty one.
    #[must_use]
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self { config, clock, table: Mutex::default() }
    }

    /// What a store under this configuration promises.
    #[must_use]
    pub fn capabilities(config: &NamespaceConfig) -> StateCapabilities {
        StateCapabilities {
            survives: Survives::Nothing,
            evictable: false,
            fencing: true,
            fence_retention: config.fence_retention,
            commit: true,
            list: true,
            bulk: true,
            snapshot_reads: true,
            transactions: false,
            clock: if cfg!(target_os = "linux") { ClockSource::Boot } else { ClockSource::Monotonic },
            max_value: config.max_value,
            max_batch_keys: MAX_BATCH_KEYS,
            max_batch_bytes: config.max_value.saturating_mul(4),
            max_ttl: Some(Ttl::MAX),
            ttl_granularity: std::time::Duration::from_millis(1),
        }
    }

    /// The table and the one instant by which a call judges what is expired.
    fn enter(&self) -> (MutexGuard<'_, Table>, BootInstant) {
        // A panic cannot leave the table half written: nothing between its first and last change panics.
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        (table, self.clock.now())
    }

    fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        check_key(key)?;
        let SaveParts { precondition, expires, fenced_by } = options.into_parts()?;
        check_size(value.len(), self.config.max_value)?;
        let version = Version::mint();
        let (mut table, now) = self.enter();
        table.check_fence(key, fenced_by, now)?;
        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(key, value, version, expires, now);
        table.sweep(now);
        Ok(version)
    }

    fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        let DeleteParts { precondition, fenced_by } = options.into_parts()?;
        let (mut table, now) = self.enter();
        table.check_fence(key, fenced_by, now)?;
        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        let existed = table.remove(key, now);
        table.sweep(now);
        Ok(existed)
    }

    /// Decides every write before it applies the first.
    fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        let version = Version::mint();
        let (mut table, now) = self.enter();
        for write in &writes {
            table.admit(write, now)?;
        }
        let marked_until = now.after(self.config.fence_retention);
        for write in writes {
            match write {
                Write::Save(Save { key, value, options }) => {
                    let SaveParts { precondition: _, expires, fenced_by } = options.into_parts()?;
                    table.raise_mark(&key, fenced_by, marked_until);
                    table.put(&key, value, version, expires, now);
                }
                Write::Delete { key, options } => {
                    let DeleteParts { precondition: _, fenced_by } = options.into_parts()?;
                    table.raise_mark(&key, fenced_by, marked_until);
                    table.remove(&key, now);
                }
                Write::Check { .. } => {}
            }
        }
        table.sweep(now);
        Ok(version)
    }

    fn list(&self, query: ListQuery) -> Result<KeyPage> {
        let ListParts { prefix, after, limit } = query.into_parts()?;
        let (table, now) = self.enter();
        let mut page = KeyPage::default();
        for (key, stored) in table.from(&prefix, after.as_deref()) {
            if !key.starts_with(&prefix) {
                break;
            }
            if !stored.is_live(now) {
                continue;
            }
            if page.keys.len() == limit {
                page.next = page.keys.last().map(|last| last.key.clone());
                break;
            }
            page.keys.push(KeyVersion { key: key.clone(), version: stored.version });
        }
        Ok(page)
    }

    fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        let token = token.checked()?;
        let (mut table, now) = self.enter();
        for key in keys {
            table.check_fence(key, Some(token), now)?;
        }
        for key in keys {
            table.raise_mark(key, Some(token), now.after(self.config.fence_retention));
        }
        table.sweep(now);
        Ok(())
    }
}

/// Values and fencing marks. Apart, because a mark belongs to the key and outlives its values.
#[derive(Debug, Default)]
struct Table {
    values: BTreeMap<String, Stored>,
    marks: BTreeMap<String, Mark>,
    /// Writes until expired entries are removed again.
    until_sweep: usize,
}

struct Stored {
    value: Bytes,
    version: Version,
    /// `None` is permanent.
    deadline: Option<BootInstant>,
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Stored {
    /// Expired means now >= deadline.
    fn is_live(&self, now: BootInstant) -> bool {
        self.deadline.is_none_or(|deadline| now < deadline)
    }

    fn state(&self, now: BootInstant) -> State {
        State::new(self.value.clone(), self.version, self.deadline.map(|deadline| deadline.since(now)))
    }
}

/// What tells a key from others: all of its bytes, as they are.
fn identity(key: &str) -> &str {
    key
}

/// The highest token accepted for a key, and how long that is remembered.
#[derive(Debug, Clone, Copy)]
struct Mark {
    token: FencingToken,
    until: BootInstant,
}

impl Table {
    fn live(&self, key: &str, now: BootInstant) -> Option<&Stored> {
        self.values.get(identity(key)).filter(|stored| stored.is_live(now))
    }

    /// The version of the live value.
    fn version(&self, key: &str, now: BootInstant) -> Option<Version> {
        self.live(key, now).map(|stored| stored.version)
    }

    /// Entries from the first that may have the prefix, behind `after`, in byte order.
    fn from<'t>(&'t self, prefix: &str, after: Option<&str>) -> Range<'t, String, Stored> {
        let first = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.values.range::<str, _>((first, Bound::Unbounded))
    }

    /// What one write of a commit must meet: of one key, the fence before the precondition.
    fn admit(&self, write: &Write, now: BootInstant) -> Result<()> {
        match write {
            Write::Save(Save { key, value: _, options }) => {
                let SaveParts { precondition, expires: _, fenced_by } = options.into_parts()?;
                self.check_fence(key, fenced_by, now)?;
                precondition.check(key, self.version(key, now))
            }
            Write::Delete { key, options } => {
                let DeleteParts { precondition, fenced_by } = options.into_parts()?;
                self.check_fence(key, fenced_by, now)?;
                precondition.check(key, self.version(key, now))
            }
            Write::Check { key, precondition } => self.check(key, *precondition, now),
        }
    }

    fn check(&self, key: &str, precondition: Precondition, now: BootInstant) -> Result<()> {
        precondition.check(key, self.version(key, now))
    }

    /// A token below the mark is refused; no token is not checked.
    fn check_fence(&self, key: &str, token: Option<FencingToken>, now: BootInstant) -> Result<()> {
        let Some(given) = token else { return Ok(()) };
        match self.marks.get(identity(key)) {
            Some(mark) if now < mark.until && given < mark.token => Err(Error::fenced(key, mark.token, given)),
            _ => Ok(()),
        }
    }

    /// After an accepted write. No token leaves the mark as it is.
    fn raise_mark(&mut self, key: &str, token: Option<FencingToken>, until: BootInstant) {
        let Some(token) = token else { return };
        self.marks.insert(identity(key).to_owned(), Mark { token, until });
    }

    fn put(&mut self, key: &str, value: Bytes, version: Version, expires: Expires, now: BootInstant) {
        let deadline = match expires {
            Expires::Never => None,
            Expires::After(ttl) => Some(now.after(ttl.as_duration())),
            Expires::Keep => self.live(key, now).and_then(|stored| stored.deadline),
        };
        self.values.insert(identity(key).to_owned(), Stored { value, version, deadline });
    }

    /// Whether there was a live value.
    fn remove(&mut self, key: &str, now: BootInstant) -> bool {
        self.values.remove(identity(key)).is_some_and(|stored| stored.is_live(now))
    }

    /// Removes what has expired, once for as many writes as entries were left the last time: a constant cost a write.
    fn sweep(&mut self, now: BootInstant) {
        if let Some(left) = self.until_sweep.checked_sub(1) {
            self.until_sweep = left;
            return;
        }
        self.values.retain(|_, stored| stored.is_live(now));
        self.marks.retain(|_, mark| now < mark.until);
        self.until_sweep = self.values.len() + self.marks.len();
    }
}

/// A client's view of the state of one namespace.
#[derive(Debug)]
pub struct MemoryState {
    space: Arc<StateSpace>,
    session: Session,
}

impl MemoryState {
    /// A view that ends with its session.
    #[must_use]
    pub fn open(space: Arc<StateSpace>, session: Session) -> Self {
        Self { space, session }
    }

    /// How many values and fencing marks are held, expired ones that are not yet removed included.
    #[must_use]
    pub fn entries(&self) -> usize {
        let (table, _) = self.space.enter();
        table.values.len() + table.marks.len()
    }
}

#[async_trait]
impl StateStore for MemoryState {
    fn capabilities(&self) -> StateCapabilities {
        StateSpace::capabilities(&self.space.config)
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.session.check_open()?;
        check_key(key)?;
        let (table, now) = self.space.enter();
        Ok(table.live(key, now).map(|stored| stored.state(now)))
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.session.check_open()?;
        self.space.save(key, value, options)
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.session.check_open()?;
        check_key(key)?;
        self.space.delete(key, options)
    }

    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        self.session.check_open()?;
        check_keys(keys.iter().copied())?;
        let (table, now) = self.space.enter();
        Ok(keys.iter().map(|key| table.live(key, now).map(|stored| stored.state(now))).collect())
    }

    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        let refused = self.session.check_open().and_then(|()| check_save_batch(&saves, &self.capabilities()));
        if let Err(refused) = refused {
            return saves.iter().map(|_| Err(refused.clone())).collect();
        }
        saves.into_iter().map(|Save { key, value, options }| self.space.save(&key, value, options)).collect()
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.session.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let (mut table, now) = self.space.enter();
        let deleted = keys.iter().map(|key| u64::from(table.remove(key, now))).sum();
        table.sweep(now);
        Ok(deleted)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.session.check_open()?;
        check_commit(&writes, &self.capabilities())?;
        self.space.commit(writes)
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.session.check_open()?;
        self.space.list(query)
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.session.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        self.space.fence(keys, token)
    }
}
