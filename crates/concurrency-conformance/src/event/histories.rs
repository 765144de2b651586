//! Recorded histories of concurrent clients, judged by a linearizability checker; and what they read of the global order.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{AppendId, Appended, EventStore, Position};
use fastrand::Rng;

use crate::{
    Context,
    crowd::{self, CLIENTS, Shift},
    history::RecordedEvents,
    linear::{Expect, check_global},
};

const SHIFT: Shift = Shift { least: 60, lasts: Duration::from_millis(150), enough: 150, most: 1000 };

/// Appends under every expected version, and reads.
pub(super) async fn streams_are_linearizable(cx: Context<dyn EventStore>) {
    let recorded = run(&cx, false).await;
    cx.judge("streams_are_linearizable", &recorded.history());
}

/// Appends under ids that several clients use, with the same content and with another.
pub(super) async fn repeated_appends_are_linearizable(cx: Context<dyn EventStore>) {
    let recorded = run(&cx, true).await;
    cx.judge("repeated_appends_are_linearizable", &recorded.history());
}

/// What concurrent readers saw of the global order, against all that was appended.
pub(super) async fn the_global_order_has_no_gaps(cx: Context<dyn EventStore>) {
    let recorded = run(&cx, false).await;
    let (mut after, mut places) = (Position::START, HashMap::new());
    loop {
        let batch = recorded.read_all(after, 1000).await.expect("it is read");
        if batch.events.is_empty() {
            break;
        }
        assert!(batch.next > after, "reading on leads nowhere: {after} to {}", batch.next);
        places.extend(batch.events.iter().map(|event| (((&*event.stream).into(), event.version), event.position)));
        after = batch.next;
    }
    check_global(&recorded.reads()).unwrap_or_else(|rejected| panic!("{rejected}"));
    for (stream, appended) in recorded.appended() {
        let missing = (appended.first..=appended.last).find(|v| !places.contains_key(&(stream.clone(), *v)));
        assert_eq!(missing, None, "version of {stream:?} that was appended and never read");
        let place = places.get(&(stream.clone(), appended.last));
        assert_eq!(place, Some(&appended.position), "position of {stream:?}'s version {}", appended.last);
    }
}

struct Client {
    store: RecordedEvents,
    rng: Rng,
    repeats: bool,
    numbers: Arc<AtomicU64>,
    /// Appends under an id, to be repeated by anybody.
    repeatable: Arc<Mutex<Vec<Repeatable>>>,
    seen: HashMap<&'static str, u64>,
    position: Position,
}

type Repeatable = (&'static str, Vec<u64>, Expect, AppendId);

async fn run(cx: &Context<dyn EventStore>, repeats: bool) -> RecordedEvents {
    let recorded = RecordedEvents::new(cx.open().await);
    let (numbers, repeatable) = (Arc::new(AtomicU64::new(1)), Arc::default());
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client {
            store: recorded.client(number, cx.other_client().await),
            rng: cx.rng(),
            repeats,
            numbers: Arc::clone(&numbers),
            repeatable: Arc::clone(&repeatable),
            seen: HashMap::new(),
            position: Position::START,
        });
    }
    let noted = recorded.clone();
    crowd::run(SHIFT, clients, move || noted.met(), |client| Box::pin(client.turn())).await;
    recorded
}

impl Client {
    async fn turn(&mut self) {
        match self.rng.u8(..10) {
            0..2 => self.read_all().await,
            2..5 => self.read().await,
            5..8 if self.repeats => self.append_under_id().await,
            _ => {
                let stream = crowd::key(&mut self.rng);
                let (events, expected) = (self.events(), self.expected(stream));
                let appended = self.store.append(stream, &events, expected, None, None).await.ok();
                self.learn(stream, appended);
            }
        }
    }

    async fn read(&mut self) {
        let stream = crowd::key(&mut self.rng);
        let seen = self.seen.get(stream).copied().unwrap_or(0);
        let from = seen.saturating_sub(self.rng.u64(..8)).max(1);
        if let Ok((_, last)) = self.store.read(stream, from, self.rng.usize(1..=20)).await {
            self.seen.insert(stream, last);
        }
    }

    /// On from where this client was, or now and then from the start.
    async fn read_all(&mut self) {
        let after = if self.rng.u8(..8) == 0 { Position::START } else { self.position };
        if let Ok(batch) = self.store.read_all(after, self.rng.usize(1..=100)).await {
            self.position = self.position.max(batch.next);
        }
    }

    /// Another's append again, or a new one that others may repeat; now and then an id with other content.
    async fn append_under_id(&mut self) {
        let stream = crowd::key(&mut self.rng);
        let fresh = (stream, self.events(), self.expected(stream), AppendId::mint());
        let (stream, mut events, expected, id) = {
            let mut repeatable = self.repeatable.lock().unwrap_or_else(PoisonError::into_inner);
            if repeatable.len() < 3 || self.rng.u8(..4) == 0 {
                repeatable.push(fresh);
                repeatable.last().expect("just pushed").clone()
            } else {
                let recent = repeatable.len() - 1 - self.rng.usize(..3);
                repeatable[recent].clone()
            }
        };
        if self.rng.u8(..16) == 0 {
            events = self.events();
        }
        let appended = self.store.append(stream, &events, expected, Some(id), None).await.ok();
        self.learn(stream, appended);
    }

    fn events(&mut self) -> Vec<u64> {
        let many = self.rng.u64(1..=3);
        let first = self.numbers.fetch_add(many, Ordering::Relaxed);
        (first..first + many).collect()
    }

    fn expected(&mut self, stream: &str) -> Expect {
        match self.rng.u8(..8) {
            0..5 => Expect::Exact(self.seen.get(stream).copied().unwrap_or(0)),
            5 => Expect::NoStream,
            6 => Expect::Exists,
            _ => Expect::Any,
        }
    }

    fn learn(&mut self, stream: &'static str, appended: Option<Appended>) {
        if let Some(appended) = appended {
            let seen = self.seen.entry(stream).or_default();
            *seen = appended.last.max(*seen);
        }
    }
}
