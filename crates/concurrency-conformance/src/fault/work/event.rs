//! Clients of an event store: streams, append ids and the global order.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use concurrency_core::{AppendId, Appended, Outcome, Position, Result};

use super::{Client, Judgement, KEYS, Scene, TRIES, Worker, key};
use crate::{
    history::{Answer, RecordedEvents},
    linear::{EventAnswer, EventModel, Expect, check_global},
};

pub(super) async fn run(scene: &Scene<'_>) -> Result<Judgement> {
    let open = async |number| scene.backend(number).await?.event_store(&scene.namespace);
    let auditor = open(scene.plan.clients).await?;
    let recorded = RecordedEvents::new(Arc::clone(&auditor)).client(scene.plan.clients, auditor);
    let repeatable = Arc::default();
    let mut clients = Vec::new();
    for number in 0..scene.plan.clients {
        clients.push(Writer {
            store: recorded.client(number, open(number).await?),
            worker: scene.worker(number),
            repeatable: Arc::clone(&repeatable),
            seen: HashMap::new(),
            position: Position::START,
            turns: 0,
        });
    }
    scene.let_work(clients).await;
    scene.settle().await;
    for stream in KEYS.into_iter().chain(FRESH) {
        drop(recorded.read(stream, 1, 1000).await);
    }
    let history = recorded.history();
    let shown = history.operations.iter().flat_map(|operation| match &operation.answer {
        Answer::Ok(EventAnswer::Slice { events, .. }) => events.clone(),
        _ => Vec::new(),
    });
    let shown: BTreeSet<u64> = shown.collect();
    let broken = match scene.judge::<EventModel>(&history) {
        None => global(&recorded).await?,
        broken => broken,
    };
    Ok(Judgement { shown, broken })
}

/// What is wrong with the global order, if anything is: with what was read of it, or with what is missing in it.
async fn global(recorded: &RecordedEvents) -> Result<Option<String>> {
    let (mut after, mut places) = (Position::START, BTreeMap::new());
    loop {
        let mut tries = 0;
        let batch = loop {
            match recorded.read_all(after, 1000).await {
                Err(error) if error.is_retryable() && tries < TRIES => tries += 1,
                read => break read?,
            }
        };
        if batch.events.is_empty() {
            break;
        }
        places.extend(batch.events.iter().map(|event| ((event.stream.clone(), event.version), event.position)));
        after = batch.next;
    }
    if let Err(rejected) = check_global(&recorded.reads()) {
        return Ok(Some(rejected.to_string()));
    }
    let lost = recorded.appended().into_iter().find_map(|(stream, appended)| {
        let place = places.get(&(stream.clone().into(), appended.last)).copied();
        (place != Some(appended.position)).then(|| {
            format!(
                "{stream:?}'s version {} was acknowledged at {} and is read at {place:?}",
                appended.last, appended.position
            )
        })
    });
    Ok(lost)
}

/// Streams that are new when clients come to them, one after the other, so that some are refused for coming too early.
const FRESH: [&str; 13] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12"];

struct Writer {
    store: RecordedEvents,
    worker: Worker,
    /// Appends under an id, to be repeated by anybody.
    repeatable: Arc<Mutex<Vec<Repeatable>>>,
    seen: HashMap<&'static str, u64>,
    position: Position,
    turns: usize,
}

type Repeatable = (&'static str, Vec<u64>, Expect, AppendId);

impl Client for Writer {
    fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    async fn turn(&mut self) {
        self.turns += 1;
        match self.worker.rng.u8(..12) {
            0 => self.read_all().await,
            1 | 2 => self.read().await,
            3..6 => {
                let (stream, events, expected, id) = self.known_append();
                self.append(stream, &events, expected, Some(id)).await;
            }
            _ => {
                let fresh = FRESH[(self.turns / 4).min(FRESH.len() - 1)];
                let stream = if self.worker.rng.u8(..3) == 0 { fresh } else { key(&mut self.worker.rng) };
                let (events, expected) = (self.events(), self.expected(stream));
                self.append(stream, &events, expected, None).await;
            }
        }
    }
}

impl Writer {
    async fn append(&mut self, stream: &'static str, events: &[u64], expected: Expect, id: Option<AppendId>) {
        self.worker.begin();
        let answer = self.store.append(stream, events, expected, id, None).await;
        self.worker.end(failed(&answer), events.first().copied());
        if let Ok(Appended { last, .. }) = answer {
            let seen = self.seen.entry(stream).or_default();
            *seen = last.max(*seen);
        }
    }

    async fn read(&mut self) {
        let stream = key(&mut self.worker.rng);
        let seen = self.seen.get(stream).copied().unwrap_or(0);
        let from = seen.saturating_sub(self.worker.rng.u64(..8)).max(1);
        let limit = self.worker.rng.usize(1..=20);
        self.worker.begin();
        let answer = self.store.read(stream, from, limit).await;
        self.worker.end(None, None);
        if let Ok((_, last)) = answer {
            self.seen.insert(stream, last);
        }
    }

    async fn read_all(&mut self) {
        let limit = self.worker.rng.usize(1..=100);
        self.worker.begin();
        let answer = self.store.read_all(self.position, limit).await;
        self.worker.end(None, None);
        if let Ok(batch) = answer {
            self.position = self.position.max(batch.next);
        }
    }

    /// Another's append again, as often as not, or a new one that others may repeat.
    fn known_append(&mut self) -> Repeatable {
        let stream = key(&mut self.worker.rng);
        let fresh = (stream, self.events(), self.expected(stream), AppendId::mint());
        let mut repeatable = self.repeatable.lock().unwrap_or_else(PoisonError::into_inner);
        if repeatable.len() < 3 || self.worker.rng.bool() {
            repeatable.push(fresh.clone());
            return fresh;
        }
        let recent = repeatable.len() - 1 - self.worker.rng.usize(..3);
        repeatable[recent].clone()
    }

    fn events(&mut self) -> Vec<u64> {
        (0..self.worker.rng.u64(1..=3)).map(|_| self.worker.mark()).collect()
    }

    fn expected(&mut self, stream: &str) -> Expect {
        let seen = self.seen.get(stream).copied().unwrap_or(0);
        match self.worker.rng.u8(..8) {
            0..3 => Expect::Exact(seen),
            // What another may append meanwhile, or later.
            3 | 4 => Expect::Exact(seen + self.worker.rng.u64(1..=2)),
            5 => Expect::NoStream,
            6 => Expect::Exists,
            _ => Expect::Any,
        }
    }
}

/// What a failure says of the effect; refusals are answers.
fn failed<T>(answer: &Result<T>) -> Option<Outcome> {
    use concurrency_core::Error::{AppendIdReused, Conflict, Fenced};
    match answer {
        Ok(_) | Err(Conflict { .. } | AppendIdReused { .. } | Fenced { .. }) => None,
        Err(error) => Some(error.outcome()),
    }
}
