//! Recorded histories of concurrent clients, judged by a linearizability checker.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Boxed, StateStore};
use fastrand::Rng;

use crate::{
    Context,
    crowd::{self, CLIENTS, KEYS, Shift},
    history::{Answer, RecordedState},
    linear::{StateAnswer, StateCall, When},
};

const SHIFT: Shift = Shift { least: 60, lasts: Duration::from_millis(150), enough: 200, most: 1500 };

/// Loads, saves and deletes under every precondition.
pub(super) async fn registers_are_linearizable(cx: Context<dyn StateStore>) {
    run(cx, "registers_are_linearizable", |client| Box::pin(client.single(false))).await;
}

/// The same, a third of the writes under fencing tokens around the mark.
pub(super) async fn fenced_registers_are_linearizable(cx: Context<dyn StateStore>) {
    run(cx, "fenced_registers_are_linearizable", |client| Box::pin(client.single(true))).await;
}

/// The same, between commits of two keys, each of which is noted as a call on each of its keys.
pub(super) async fn commits_are_linearizable_on_each_key(cx: Context<dyn StateStore>) {
    run(cx, "commits_are_linearizable_on_each_key", |client| Box::pin(client.pair())).await;
}

/// One client's view: what it knows, and values that nobody else writes.
struct Client {
    store: RecordedState,
    rng: Rng,
    known: HashMap<&'static str, u64>,
    values: Arc<AtomicU64>,
}

async fn run(
    cx: Context<dyn StateStore>,
    case: &str,
    turn: impl for<'a> Fn(&'a mut Client) -> Boxed<'a, ()> + Copy + Send + 'static,
) {
    let recorded = RecordedState::new(cx.open().await);
    let values = Arc::new(AtomicU64::new(1));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let store = recorded.client(number, cx.other_client().await);
        clients.push(Client { store, rng: cx.rng(), known: HashMap::new(), values: Arc::clone(&values) });
    }
    let noted = recorded.clone();
    crowd::run(SHIFT, clients, move || noted.met(), turn).await;
    cx.judge(case, &recorded.history());
}

impl Client {
    async fn single(&mut self, fenced: bool) {
        let key = crowd::key(&mut self.rng);
        // The tokens of all clients rise with the values that they write, so that most are near the mark.
        let near = self.values.load(Ordering::Relaxed) / 4 + self.rng.u64(..4);
        let fence = (fenced && self.rng.u8(..3) == 0).then_some(near);
        let call = match fence {
            Some(token) if self.rng.u8(..8) == 0 => StateCall::Fence { token },
            _ => self.choose(key, fence),
        };
        let answer = self.store.call(key, call).await;
        self.learn(key, &answer);
    }

    async fn pair(&mut self) {
        let first = crowd::key(&mut self.rng);
        let second = KEYS[self.rng.usize(..KEYS.len())];
        if first == second || self.rng.bool() {
            return self.single(false).await;
        }
        let calls = [(first, self.step(first)), (second, self.step(second))];
        let answers = self.store.commit(&calls).await;
        self.learn(first, &answers[0]);
        self.learn(second, &answers[1]);
    }

    /// A step of a commit.
    fn step(&mut self, key: &str) -> StateCall {
        let (when, value) = (self.matching(key), self.value());
        match self.rng.u8(..8) {
            0 => StateCall::Check { when },
            1 => StateCall::Delete { when: When::Any, fence: None },
            2 => StateCall::Save { value, when: When::Any, fence: None },
            _ => StateCall::Save { value, when, fence: None },
        }
    }

    fn choose(&mut self, key: &str, fence: Option<u64>) -> StateCall {
        let (when, value) = (self.matching(key), self.value());
        match self.rng.u8(..20) {
            0..7 => StateCall::Load,
            7..14 => StateCall::Save { value, when, fence },
            14 => StateCall::Save { value, when: When::Any, fence },
            15 => StateCall::Save { value, when: When::Absent, fence },
            16 => StateCall::Save { value, when: When::Present, fence },
            17 => StateCall::Delete { when: When::Any, fence },
            18 if when != When::Absent => StateCall::Delete { when, fence },
            _ => StateCall::Delete { when: When::Present, fence },
        }
    }

    fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed)
    }

    /// The version that this client saw last, or none.
    fn matching(&self, key: &str) -> When {
        self.known.get(key).map_or(When::Absent, |&version| When::Match(version))
    }

    fn learn(&mut self, key: &'static str, answer: &Answer<StateAnswer>) {
        match answer {
            Answer::Ok(StateAnswer::Found(Some((_, version))) | StateAnswer::Saved { version }) => {
                self.known.insert(key, *version);
            }
            Answer::Ok(StateAnswer::Found(None) | StateAnswer::Deleted { .. }) => {
                self.known.remove(key);
            }
            _ => {}
        }
    }
}
