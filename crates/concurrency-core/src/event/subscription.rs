//! Reading the global order for ever, from a checkpoint on.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    Batch, Boxed, Checkpoint, Error, EventStore, Position, Recorded, Result, check_limit, clock::BootInstant, observe,
    random,
};

/// What a subscription delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// An event, in the global order, at least once.
    Event(Recorded),
    /// All events so far were delivered. Said once for each time of catching up; live events follow.
    CaughtUp,
    /// Events behind the last one delivered (or behind the checkpoint) were truncated before they could be delivered.
    Truncated {
        /// The next event that is still there; where there is none, the place after which the next one will be.
        first_available: Position,
        /// From here on nothing is missing. What is delivered before has holes, wherever a stream was truncated.
        complete_after: Position,
    },
}

/// The global order of an event store from a checkpoint on, for ever: the past, [`Delivery::CaughtUp`], and live events.
///
/// Written once over [`read_all`](EventStore::read_all) and [`changed`](EventStore::changed). Waking is a hint that may be
/// lost: correctness comes from reading, and while it waits a subscription reads at least once per
/// [`poll interval`](Self::with_poll_interval).
///
/// Delivery is at least once: who stores the checkpoint of each event after having dealt with it, and resumes from the
/// last one stored, misses none. A [`Projector`](crate::Projector) makes it exactly once.
/// ```
/// # use concurrency_core::*;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let events: std::sync::Arc<dyn EventStore> = Memory::new().event_store("orders")?;
/// events.append("order-7", vec![NewEvent::new("placed", "{}")], AppendOptions::new()).await?;
///
/// let mut subscription = Subscription::new(events, None);
/// while let Delivery::Event(event) = subscription.next().await? {
///     assert_eq!(event.event_type.as_ref(), "placed"); // and then store `event.checkpoint()`
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    store: Arc<dyn EventStore>,
    /// The last event delivered, or what it was resumed from.
    checkpoint: Option<Checkpoint>,
    /// Where the next read begins: at the checkpoint or, where nothing else can appear before it, ahead of it.
    after: Position,
    /// Whether the log was seen to hold the event of the checkpoint, as far as it may be counted on to go on doing so.
    verified: bool,
    caught_up: bool,
    /// The truncation that was delivered last.
    announced: Position,
    ready: VecDeque<Delivery>,
    batch: usize,
    poll_interval: Duration,
    /// When it reads whatever it hears; set by the first wait since the last read, so that it comes however often waits are dropped.
    reads_at: Option<BootInstant>,
}

impl Subscription {
    /// How many events are read at a time unless told.
    pub const DEFAULT_BATCH: usize = 256;
    /// The longest time between two reads unless told.
    pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_secs(1);

    /// Everything after a checkpoint, or from the start where there is `None` yet.
    ///
    /// The first [`next`](Self::next) verifies that the log still holds the checkpoint's event.
    pub fn new(store: Arc<dyn EventStore>, after: impl Into<Option<Checkpoint>>) -> Self {
        let checkpoint = after.into();
        Self {
            store,
            checkpoint,
            after: checkpoint.map_or(Position::START, |checkpoint| checkpoint.position),
            verified: checkpoint.is_none(),
            caught_up: false,
            announced: Position::START,
            ready: VecDeque::new(),
            batch: Self::DEFAULT_BATCH,
            poll_interval: Self::DEFAULT_POLL_INTERVAL,
            reads_at: None,
        }
    }

    /// Reads so many events at a time, 1 to 1,000.
    ///
    /// # Errors
    /// `InvalidArgument` for any other number.
    pub fn with_batch(mut self, events: usize) -> Result<Self> {
        self.batch = check_limit(events)?;
        Ok(self)
    }

    /// While it waits for news it also looks for itself, each time after 0.5 to 1 of this interval: what a lost wake-up
    /// costs at most.
    #[must_use]
    pub const fn with_poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Of the last event delivered; what it was resumed from, before the first. What to store, and to resume from.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint
    }

    /// The next event, or what there is to say in between. Waits without end where there is nothing.
    ///
    /// # Errors
    /// `LogRewound` where the log no longer holds the event of the checkpoint although it was not truncated; those of
    /// [`EventStore::read_all`] and [`changed`](EventStore::changed). After an error the next call goes on where it was.
    ///
    /// # Cancel safety
    /// Cancel safe: what a dropped call would have delivered is delivered by the next, and it is no later looked for.
    pub async fn next(&mut self) -> Result<Delivery> {
        loop {
            if let Some(delivery) = self.take() {
                return Ok(delivery);
            }
            if self.caught_up {
                self.wait().await?;
            }
            self.read().await?;
        }
    }

    /// What comes next is an event that has been read already.
    pub(crate) fn has_event(&self) -> bool {
        matches!(self.ready.front(), Some(Delivery::Event(_)))
    }

    fn take(&mut self) -> Option<Delivery> {
        let delivery = self.ready.pop_front()?;
        if let Delivery::Event(event) = &delivery {
            self.checkpoint = Some(event.checkpoint());
        }
        Some(delivery)
    }

    /// As a stream, for those who combine several. It ends after the error `Closed`; after others it goes on.
    #[must_use]
    pub fn into_stream(self) -> Deliveries {
        Deliveries { state: StreamState::Idle(Box::new(self)) }
    }

    /// Returns when it is worth reading again.
    async fn wait(&mut self) -> Result<()> {
        let half = self.poll_interval / 2;
        let reads_at = *self.reads_at.get_or_insert_with(|| BootInstant::now().after(half + random::up_to(half)));
        tokio::select! {
            changed = self.store.changed(self.after) => changed,
            () = tokio::time::sleep(reads_at.remaining()) => Ok(()),
        }
    }

    /// Reads once, and makes ready what there is to deliver. Nothing changes before the answer is there.
    async fn read(&mut self) -> Result<()> {
        let batch = match self.checkpoint {
            Some(checkpoint) if !self.verified => self.read_verified(checkpoint).await,
            _ => self.store.read_all(self.after, self.batch).await,
        };
        // Also after an error: whoever goes on at once waits again.
        self.reads_at = None;
        let batch = batch?;
        // Where acknowledged events may be taken back, what was read may be gone by the next read.
        self.verified = !self.store.capabilities().log_may_rewind;
        if let Some(complete_after) = batch.truncated.filter(|truncated| *truncated > self.announced) {
            let first_available = batch.events.first().map_or(batch.next, |event| event.position);
            tracing::warn!(name: observe::EVENT_TRUNCATED, target: observe::EVENT, %first_available, %complete_after);
            self.ready.push_back(Delivery::Truncated { first_available, complete_after });
            self.announced = complete_after;
        }
        let at_the_end = batch.events.is_empty();
        self.ready.extend(batch.events.into_iter().map(Delivery::Event));
        self.after = self.after.max(batch.next);
        if !at_the_end {
            self.caught_up = false;
        } else if !self.caught_up {
            self.caught_up = true;
            self.ready.push_back(Delivery::CaughtUp);
        }
        Ok(())
    }

    /// Reads from the checkpoint's own event on, to see in the same step that it is still there.
    async fn read_verified(&self, checkpoint: Checkpoint) -> Result<Batch> {
        let Checkpoint { position, .. } = checkpoint;
        let limit = check_limit(self.batch + 1).unwrap_or(self.batch);
        let mut batch = self.store.read_all(position.before(), limit).await?;
        let found = is_held(checkpoint, &batch)?;
        batch.events.drain(..usize::from(found));
        if batch.events.is_empty() {
            // A page may be short; only an empty one says that this is the end.
            let next = self.store.read_all(self.after, self.batch).await?;
            if !next.events.is_empty() {
                // Between the two another log may have taken the place of this one, and these be of that.
                is_held(checkpoint, &self.store.read_all(position.before(), 1).await?)?;
            }
            return Ok(next);
        }
        batch.truncated = batch.truncated.filter(|truncated| *truncated > position);
        Ok(batch)
    }
}

/// Whether what was read from a checkpoint's event on begins with that; where it does not, it was truncated.
fn is_held(checkpoint: Checkpoint, batch: &Batch) -> Result<bool> {
    let Checkpoint { position, event } = checkpoint;
    let found = batch.events.first().filter(|found| found.position == position).map(|found| found.id);
    let truncated = batch.truncated.is_some_and(|truncated| truncated >= position);
    let rewound = match found {
        Some(id) => id != event,
        None => !truncated,
    };
    if rewound {
        tracing::error!(name: observe::EVENT_REWOUND, target: observe::EVENT, %position);
        return Err(Error::LogRewound);
    }
    Ok(found.is_some())
}

/// A [`Subscription`] as a [`Stream`](futures_core::Stream).
pub struct Deliveries {
    state: StreamState,
}

enum StreamState {
    Idle(Box<Subscription>),
    Reading(Boxed<'static, (Box<Subscription>, Result<Delivery>)>),
    Ended,
}

impl fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliveries").finish_non_exhaustive()
    }
}

impl futures_core::Stream for Deliveries {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut reading = match std::mem::replace(&mut self.state, StreamState::Ended) {
            StreamState::Ended => return Poll::Ready(None),
            StreamState::Reading(reading) => reading,
            StreamState::Idle(mut subscription) => {
                if let Some(delivery) = subscription.take() {
                    self.state = StreamState::Idle(subscription);
                    return Poll::Ready(Some(Ok(delivery)));
                }
                Box::pin(async move {
                    let delivery = subscription.next().await;
                    (subscription, delivery)
                })
            }
        };
        let Poll::Ready((subscription, delivery)) = reading.as_mut().poll(cx) else {
            self.state = StreamState::Reading(reading);
            return Poll::Pending;
        };
        if !matches!(delivery, Err(Error::Closed)) {
            self.state = StreamState::Idle(subscription);
        }
        Poll::Ready(Some(delivery))
    }
}
