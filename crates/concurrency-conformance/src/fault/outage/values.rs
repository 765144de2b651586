//! Those who write values: states and cache entries, each task its own.

use std::{collections::HashSet, sync::Arc};

use concurrency_core::{Bytes, Cache, Error, Expiry, Outcome, Result, SaveOptions, StateStore};

use super::progress::{Progress, Shared};

/// So many conflicts in a row with nothing but what was there are one too many: in between there may have been another log.
const IN_VAIN: u32 = 5;
/// So many saves follow each other without a load in between.
const IN_A_ROW: usize = 20;

/// Writes of one key by one task, each with a number of its own.
#[derive(Debug)]
pub(super) struct Written {
    key: String,
    /// Whether what was acknowledged may be gone.
    may_lose: bool,
    last: u64,
    /// Acknowledged, and not known to be gone.
    done: Vec<u64>,
    /// What else can be there: nobody knows, or it was acknowledged and gone. A second failover can bring back what the first one took:
    /// a server takes over that had it, and has not followed another one since.
    possible: HashSet<u64>,
    /// Conflicts in a row with nothing but what was there.
    in_vain: u32,
}

impl Written {
    pub(super) fn new(number: usize, may_lose: bool) -> Self {
        let (done, possible) = (Vec::new(), HashSet::new());
        Self { key: format!("k{number}"), may_lose, last: 0, done, possible, in_vain: 0 }
    }

    fn next(&mut self) -> (u64, Bytes) {
        self.last += 1;
        (self.last, format!("{} {}", self.key, self.last).into())
    }

    fn ended<T>(&mut self, number: u64, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => self.done.push(number),
            Err(error) if error.outcome() != Outcome::NotApplied => drop(self.possible.insert(number)),
            Err(_) => {}
        }
        result
    }

    /// This is there now, and what was written after it is gone.
    fn found(&mut self, value: Option<&Bytes>, seen: &Progress) -> u64 {
        let number = value.map_or(0, |value| self.number(value));
        let is_ours = number == 0 || self.done.contains(&number) || self.possible.contains(&number);
        assert!(is_ours, "{}: {number} was refused, or never written", self.key);
        let lost: Vec<_> = self.done.extract_if(.., |done| *done > number).collect();
        assert!(lost.is_empty() || self.may_lose, "{}: {number} is there, and {lost:?} were acknowledged", self.key);
        seen.lost(lost.len());
        self.possible.extend(lost);
        number
    }

    fn number(&self, value: &Bytes) -> u64 {
        let parts = std::str::from_utf8(value).ok().and_then(|text| text.split_once(' '));
        let number = parts.filter(|(key, _)| *key == self.key).and_then(|(_, number)| number.parse().ok());
        number.unwrap_or_else(|| panic!("{}: {value:?} is somebody else's", self.key))
    }

    /// It was refused because of another version, and then this is there.
    fn is_refused(&mut self, number: u64, base: u64, now: u64) {
        assert!(now != number, "{}: {number} was refused, and is there", self.key);
        self.in_vain = if now == base { self.in_vain + 1 } else { 0 };
        assert!(self.in_vain < IN_VAIN, "{}: {number} conflicts with {base}, which it was to follow", self.key);
    }
}

/// Saves under the version that it has seen.
pub(super) async fn counts(store: Arc<dyn StateStore>, mut written: Written, shared: Arc<Shared>, seen: Arc<Progress>) {
    while !shared.is_over() {
        seen.ended(save_in_a_row(&*store, &mut written, &seen).await);
    }
}

async fn save_in_a_row(store: &dyn StateStore, written: &mut Written, seen: &Progress) -> Result<()> {
    let state = store.load(&written.key).await?;
    let mut base = written.found(state.as_ref().map(|state| &state.value), seen);
    let mut options = match state {
        Some(state) => SaveOptions::new().if_version(state.version),
        None => SaveOptions::new().if_absent(),
    };
    for _ in 0..IN_A_ROW {
        let (number, value) = written.next();
        let saved = store.save(&written.key, value, options).await;
        if saved.as_ref().is_err_and(Error::is_conflict) {
            // Ours alone: what it was is gone, or an attempt without an answer came through.
            let now = store.load(&written.key).await?;
            let now = written.found(now.as_ref().map(|state| &state.value), seen);
            written.is_refused(number, base, now);
            return Ok(());
        }
        options = SaveOptions::new().if_version(written.ended(number, saved)?);
        (base, written.in_vain) = (number, 0);
    }
    Ok(())
}

/// Sets and reads.
pub(super) async fn sets(cache: Arc<dyn Cache>, mut written: Written, shared: Arc<Shared>, seen: Arc<Progress>) {
    while !shared.is_over() {
        seen.ended(set_once(&*cache, &mut written, &seen).await);
    }
}

async fn set_once(cache: &dyn Cache, written: &mut Written, seen: &Progress) -> Result<()> {
    let found = cache.get(&written.key).await?;
    written.found(found.as_ref(), seen);
    let (number, value) = written.next();
    let set = cache.set(&written.key, value, Expiry::Never).await;
    written.ended(number, set)
}
