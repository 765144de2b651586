//! Loading: from the newest usable snapshot, or from the first event.

use super::{Aggregate, Event, Loaded, Repository};
use crate::{Error, ReadQuery, Recorded, Result, Snapshot, observe};

/// How many events are read at a time: the most that a store gives.
const PAGE: usize = 1_000;

/// An aggregate, and the version of the snapshot that it was loaded from; zero for none.
pub(super) struct Replayed<A> {
    pub(super) loaded: Loaded<A>,
    pub(super) snapshot: u64,
}

/// How replaying from a snapshot, or from nothing, ended.
enum Attempt<A> {
    Done(Loaded<A>),
    /// The log does not hold the snapshot's last event.
    NotInLog,
    /// What follows was truncated; this version is the first that is left.
    Hole(u64),
}

impl<A: Aggregate> Repository<A> {
    pub(super) async fn replay(&self, id: &str) -> Result<Replayed<A>> {
        self.counters.loads.increment();
        let mut tried = None;
        loop {
            let snapshot = self.newest_snapshot(id).await?;
            let version = snapshot.as_ref().map(|snapshot| snapshot.version);
            let first_available = match self.replay_from(id, snapshot).await? {
                Ok(replayed) => return Ok(replayed),
                Err(first_available) => first_available,
            };
            // Somebody may have saved a newer snapshot, and truncated, since this one was read.
            if tried == Some(version) {
                return Err(Error::Truncated { stream: id.into(), first_available });
            }
            tried = Some(version);
        }
    }

    /// From this snapshot, or from the first event where it cannot be used. An inner error is the first version that is left
    /// of a stream that cannot be replayed.
    async fn replay_from(&self, id: &str, snapshot: Option<Snapshot>) -> Result<Result<Replayed<A>, u64>> {
        if let Some(snapshot) = snapshot {
            let (version, event) = (snapshot.version, snapshot.event);
            let verify = |found: &Recorded| found.version == version && found.id == event;
            let why = match self.state_of(&snapshot) {
                Ok(state) => match self.follow(id, Loaded { state, version }, Some(&verify)).await? {
                    Attempt::Done(loaded) => return Ok(Ok(Replayed { loaded, snapshot: version })),
                    Attempt::Hole(_) => "events after it were truncated",
                    Attempt::NotInLog => "its event is not in the log",
                },
                Err(why) => why,
            };
            self.discarded(id, version, why);
        }
        Ok(match self.follow(id, Loaded { state: A::default(), version: 0 }, None).await? {
            Attempt::Done(loaded) => Ok(Replayed { loaded, snapshot: 0 }),
            Attempt::Hole(first_available) => Err(first_available),
            Attempt::NotInLog => unreachable!("only a snapshot is looked for in the log"),
        })
    }

    async fn newest_snapshot(&self, id: &str) -> Result<Option<Snapshot>> {
        if !self.uses_snapshots() {
            return Ok(None);
        }
        match self.events.load_snapshot(id).await {
            Err(Error::Decode { .. }) => {
                self.discarded(id, 0, "the store cannot read it");
                Ok(None)
            }
            other => other,
        }
    }

    fn state_of(&self, snapshot: &Snapshot) -> Result<A, &'static str> {
        if snapshot.schema != A::SCHEMA {
            return Err("it is of another schema");
        }
        self.codec.decode(&snapshot.data).map_err(|_| "it cannot be decoded")
    }

    fn discarded(&self, stream: &str, version: u64, why: &str) {
        self.counters.replays.increment();
        tracing::warn!(name: observe::EVENT_SNAPSHOT_DISCARDED, target: observe::EVENT, stream, version, why);
    }

    /// Applies what follows `loaded`, a page at a time. With `verify`, the event of the version that was loaded is read,
    /// too, and must be as it says, unless it was truncated.
    async fn follow(
        &self,
        id: &str,
        mut loaded: Loaded<A>,
        verify: Option<&(dyn Fn(&Recorded) -> bool + Sync)>,
    ) -> Result<Attempt<A>> {
        let mut verify = verify;
        loop {
            let from = if verify.is_some() { loaded.version } else { loaded.version + 1 };
            let slice = self.events.read(id, ReadQuery::forwards(from).limit(PAGE)).await?;
            if slice.first > loaded.version + 1 {
                return Ok(Attempt::Hole(slice.first));
            }
            let mut events = slice.events.iter().peekable();
            if let Some(verify) = verify.take() {
                let truncated = slice.first > loaded.version;
                let found = events.next_if(|event| event.version <= loaded.version);
                if !truncated && !found.is_some_and(verify) {
                    return Ok(Attempt::NotInLog);
                }
            }
            for stored in events {
                loaded.state.apply(&A::Event::upcast(stored, self.codec)?);
                loaded.version = stored.version;
                self.counters.events.increment();
            }
            if loaded.version >= slice.last || slice.events.is_empty() {
                return Ok(Attempt::Done(loaded));
            }
        }
    }
}
