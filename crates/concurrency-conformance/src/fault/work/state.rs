//! Clients of a state store: registers with compare-and-swap and fencing marks.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use concurrency_core::Result;

use super::{Client, Judgement, KEYS, Scene, Worker, key, outcome};
use crate::{
    history::{Answer, RecordedState},
    linear::{StateAnswer, StateCall, StateModel, When},
};

pub(super) async fn run(scene: &Scene<'_>) -> Result<Judgement> {
    let auditor = scene.backend(scene.plan.clients).await?.state_store(&scene.namespace)?;
    let declared = auditor.capabilities();
    let recorded = RecordedState::new(Arc::clone(&auditor)).client(scene.plan.clients, auditor);
    let tokens = Arc::new(AtomicU64::new(1));
    let mut clients = Vec::new();
    for number in 0..scene.plan.clients {
        let store = scene.backend(number).await?.state_store(&scene.namespace)?;
        clients.push(Registers {
            store: recorded.client(number, store),
            worker: scene.worker(number),
            known: HashMap::new(),
            tokens: Arc::clone(&tokens),
            fences: declared.fencing,
            commits: declared.commit,
        });
    }
    scene.let_work(clients).await;
    scene.settle().await;
    for key in KEYS {
        recorded.call(key, StateCall::Load).await;
    }
    let history = recorded.history();
    let shown = history.operations.iter().filter_map(|operation| match operation.answer {
        Answer::Ok(StateAnswer::Found(Some((value, _)))) => Some(value),
        _ => None,
    });
    let shown: BTreeSet<u64> = shown.collect();
    Ok(Judgement { shown, broken: scene.judge::<StateModel>(&history) })
}

/// One client's view: what it knows of the keys.
struct Registers {
    store: RecordedState,
    worker: Worker,
    known: HashMap<&'static str, u64>,
    /// Fencing tokens of all clients rise together, so that most are near the mark.
    tokens: Arc<AtomicU64>,
    fences: bool,
    commits: bool,
}

impl Client for Registers {
    fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    async fn turn(&mut self) {
        let key = key(&mut self.worker.rng);
        if self.commits && self.worker.rng.u8(..6) == 0 {
            return self.commit(key).await;
        }
        let call = self.choose(key);
        let is_read = call == StateCall::Load;
        let mark = match call {
            StateCall::Save { value, .. } => Some(value),
            _ => None,
        };
        self.worker.begin();
        let answer = self.store.call(key, call).await;
        self.worker.end(if is_read { None } else { outcome(&answer) }, mark);
        self.learn(key, &answer);
    }
}

impl Registers {
    async fn commit(&mut self, first: &'static str) {
        let second = KEYS[self.worker.rng.usize(1..KEYS.len())];
        let second = if first == second { KEYS[0] } else { second };
        let step = |this: &mut Self, key| {
            let (when, value) = (this.matching(key), this.worker.mark());
            let when = if this.worker.rng.u8(..4) == 0 { When::Any } else { when };
            match this.worker.rng.u8(..8) {
                0 => StateCall::Check { when },
                1 if when != When::Absent => StateCall::Delete { when, fence: None },
                _ => StateCall::Save { value, when, fence: None },
            }
        };
        let calls = [(first, step(self, first)), (second, step(self, second))];
        let mark = calls.iter().find_map(|(_, call)| match call {
            StateCall::Save { value, .. } => Some(*value),
            _ => None,
        });
        self.worker.begin();
        let answers = self.store.commit(&calls).await;
        self.worker.end(outcome(&answers[0]).or(outcome(&answers[1])), mark);
        self.learn(first, &answers[0]);
        self.learn(second, &answers[1]);
    }

    fn choose(&mut self, key: &str) -> StateCall {
        let (when, value) = (self.matching(key), self.worker.mark());
        let rng = &mut self.worker.rng;
        let fence = (self.fences && rng.u8(..3) == 0).then(|| {
            let highest = self.tokens.fetch_add(u64::from(rng.u8(..3) == 0), Ordering::Relaxed);
            (highest + 1).saturating_sub(rng.u64(..3))
        });
        if let Some(token) = fence
            && rng.u8(..3) == 0
        {
            return StateCall::Fence { token };
        }
        match rng.u8(..20) {
            0..6 => StateCall::Load,
            6..13 => StateCall::Save { value, when, fence },
            13 | 14 => StateCall::Save { value, when: When::Any, fence },
            15 => StateCall::Save { value, when: When::Absent, fence },
            16 => StateCall::Save { value, when: When::Present, fence },
            17 => StateCall::Delete { when: When::Any, fence },
            18 if when != When::Absent => StateCall::Delete { when, fence },
            _ => StateCall::Delete { when: When::Present, fence },
        }
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
