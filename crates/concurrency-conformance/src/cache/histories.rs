//! Recorded histories of concurrent clients, judged by a linearizability checker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Boxed, Cache, Ticket};
use fastrand::Rng;

use crate::{
    Context,
    crowd::{self, CLIENTS, KEYS, Shift},
    history::RecordedCache,
};

const SHIFT: Shift = Shift { least: 60, lasts: Duration::from_millis(150), enough: 200, most: 1500 };

/// How long reservations stand, and values that do not live for ever.
const LIFE: Duration = Duration::from_millis(20);

/// Reads, writes, removals and clears: nobody reads what was replaced or removed before.
pub(super) async fn reads_are_never_stale(cx: Context<dyn Cache>) {
    run(cx, "reads_are_never_stale", |client| Box::pin(client.plain())).await;
}

/// Reservations between the other calls: one ticket at a time, and void once its reservation has ended.
pub(super) async fn tickets_are_linearizable(cx: Context<dyn Cache>) {
    run(cx, "tickets_are_linearizable", |client| Box::pin(client.reserving())).await;
}

struct Client {
    cache: RecordedCache,
    rng: Rng,
    ticket: Option<Ticket>,
    values: Arc<AtomicU64>,
}

async fn run(
    cx: Context<dyn Cache>,
    case: &str,
    turn: impl for<'a> Fn(&'a mut Client) -> Boxed<'a, ()> + Copy + Send + 'static,
) {
    let recorded = RecordedCache::new(cx.open().await);
    let values = Arc::new(AtomicU64::new(1));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let cache = recorded.client(number, cx.other_client().await);
        clients.push(Client { cache, rng: cx.rng(), ticket: None, values: Arc::clone(&values) });
    }
    let noted = recorded.clone();
    crowd::run(SHIFT, clients, move || noted.met(), turn).await;
    cx.judge(case, &recorded.history());
}

impl Client {
    async fn plain(&mut self) {
        let key = crowd::key(&mut self.rng);
        let ttl = self.ttl();
        match self.rng.u8(..20) {
            0..10 => drop(self.cache.get(key).await),
            10..16 => drop(self.cache.set(key, self.value(), ttl).await),
            16..19 => drop(self.cache.remove(key).await),
            _ => drop(self.cache.clear(&KEYS).await),
        }
    }

    async fn reserving(&mut self) {
        if self.rng.bool() {
            return self.plain().await;
        }
        let ttl = self.ttl();
        if let Some(ticket) = self.ticket.take() {
            drop(self.cache.fill(ticket, self.value(), ttl).await);
            return;
        }
        let (_, ticket) = self.cache.reserve(crowd::key(&mut self.rng), LIFE).await;
        self.ticket = ticket;
    }

    /// Of half of the values.
    fn ttl(&mut self) -> Option<Duration> {
        self.rng.bool().then_some(LIFE)
    }

    fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::Relaxed)
    }
}
