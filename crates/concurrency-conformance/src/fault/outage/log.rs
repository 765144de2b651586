//! Those who append to a log, and the one who follows it.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    AppendOptions, Delivery, Error, EventId, EventStore, NewEvent, Outcome, Position, Subscription,
};

use super::progress::{Progress, Shared, is_outage, locked};

/// Between two events of one task: a log that everybody can read in the end.
const PAUSE: Duration = Duration::from_millis(2);

/// What was appended, and what the follower has seen of it.
#[derive(Default)]
pub(super) struct Appends {
    /// Whether acknowledged events may be taken back.
    pub(super) may_rewind: AtomicBool,
    done: Mutex<Vec<(EventId, Position)>>,
    unknown: Mutex<HashSet<EventId>>,
    delivered: Mutex<HashSet<EventId>>,
    follower_at: Mutex<Position>,
    rewound: AtomicUsize,
    went_back: AtomicUsize,
}

/// How many, and where the follower is.
impl fmt::Debug for Appends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [done, unknown] = [locked(&self.done).len(), locked(&self.unknown).len()];
        let (delivered, at) = (locked(&self.delivered).len(), *locked(&self.follower_at));
        write!(f, "{done} appended up to {}, {unknown} of which nobody knows, ", self.highest())?;
        write!(f, "{delivered} delivered up to {at}, rewound {} times", self.rewound())
    }
}

impl Appends {
    /// Of what was acknowledged and is not known to be lost.
    pub(super) fn highest(&self) -> Position {
        locked(&self.done).iter().map(|(_, position)| *position).max().unwrap_or(Position::START)
    }

    pub(super) fn is_delivered(&self, position: Position) -> bool {
        *locked(&self.follower_at) >= position
    }

    /// How often the follower was told that the log was lost.
    pub(super) fn rewound(&self) -> usize {
        self.rewound.load(Ordering::Acquire)
    }

    /// Appends whose position was not above all that were acknowledged before they were called.
    pub(super) fn went_back(&self) -> usize {
        self.went_back.load(Ordering::Acquire)
    }

    /// This append was acknowledged, and that position before it was called.
    fn done(&self, id: EventId, position: Position, before: Position) {
        let goes_back = position <= before;
        let may_rewind = self.may_rewind.load(Ordering::Acquire);
        assert!(
            !goes_back || may_rewind,
            "{position} was given to an append that was called after {before} was acknowledged"
        );
        self.went_back.fetch_add(usize::from(goes_back), Ordering::AcqRel);
        locked(&self.done).push((id, position));
    }

    /// So many acknowledged events are not in the log; and whether the follower has seen one of them.
    pub(super) async fn lost(&self, store: &Arc<dyn EventStore>) -> Result<(usize, bool), String> {
        let (mut done, mut there) = (locked(&self.done).clone(), HashSet::new());
        let mut last = self.highest();
        let mut subscription = Subscription::new(Arc::clone(store), None);
        loop {
            match subscription.next().await {
                Ok(Delivery::Event(event)) => {
                    there.insert(event.id);
                    // On a busy machine whoever reads never catches up with those who append.
                    if event.position >= last {
                        break;
                    }
                }
                Ok(Delivery::CaughtUp) => break,
                // One failover more.
                Err(Error::LogRewound) => {
                    (done, there, last) = (locked(&self.done).clone(), HashSet::new(), self.highest());
                    subscription = Subscription::new(Arc::clone(store), None);
                }
                Err(error) if is_outage(&error) => {}
                other => return Err(format!("the log was read, and there came {other:?}")),
            }
        }
        let lost: HashSet<_> = done.iter().map(|(id, _)| *id).filter(|id| !there.contains(id)).collect();
        if !lost.is_empty() && !self.may_rewind.load(Ordering::Acquire) {
            return Err(format!("{} acknowledged events are gone", lost.len()));
        }
        locked(&self.done).retain(|(id, _)| !lost.contains(id));
        let was_seen = locked(&self.delivered).iter().any(|id| lost.contains(id));
        Ok((lost.len(), was_seen))
    }
}

/// Appends to a stream of its own.
pub(super) async fn appends(store: Arc<dyn EventStore>, number: usize, shared: Arc<Shared>, seen: Arc<Progress>) {
    let stream = format!("s{number}");
    while !shared.is_over() {
        let event = NewEvent::new("e", stream.clone());
        let (id, before) = (event.id, shared.appends.highest());
        match store.append(&stream, vec![event], AppendOptions::new()).await {
            Ok(appended) => {
                shared.appends.done(id, appended.position, before);
                seen.succeeded();
            }
            Err(error) => {
                if error.outcome() != Outcome::NotApplied {
                    locked(&shared.appends.unknown).insert(id);
                }
                seen.had_no_answer(error);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads everything, and begins anew where the log says that it was lost.
pub(super) async fn follows(store: Arc<dyn EventStore>, shared: Arc<Shared>, seen: Arc<Progress>) {
    let (appends, mut last) = (&shared.appends, Position::START);
    let mut subscription = Subscription::new(Arc::clone(&store), None);
    loop {
        let next = tokio::select! {
            next = subscription.next() => next,
            () = shared.over() => return,
        };
        match next {
            Ok(Delivery::Event(event)) => {
                assert!(event.position > last, "{} was delivered behind {last}", event.position);
                assert_eq!(event.data, event.stream.as_bytes(), "an event is somebody else's");
                last = event.position;
                locked(&appends.delivered).insert(event.id);
                *locked(&appends.follower_at) = last;
                seen.succeeded();
            }
            Err(Error::LogRewound) => {
                assert!(appends.may_rewind.load(Ordering::Acquire), "a log is lost that cannot be");
                appends.rewound.fetch_add(1, Ordering::AcqRel);
                last = Position::START;
                subscription = Subscription::new(Arc::clone(&store), None);
            }
            Err(error) => seen.had_no_answer(error),
            Ok(_) => {}
        }
    }
}
