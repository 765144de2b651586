//! Many tasks on few keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Bytes, Cache, Expiry, Lookup, TypedCache, clock::BootInstant};
use tokio::{sync::Barrier, task::JoinSet};

use super::fixture::{Cx, HOUR, fill, put, reserve, shown, value_of};

/// How many tasks race.
const TASKS: usize = 4;

/// Rounds of a race: for as long as a race may take, and a few where each takes long.
fn rounds() -> impl Iterator<Item = u64> {
    let end = BootInstant::now().after(Duration::from_millis(150));
    (1..).take_while(move |round| *round <= 20 || !end.has_passed())
}

fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).expect("only numbers were written")
}

/// Clients of the same cache, one for each task.
async fn clients(cx: &Cx) -> Vec<Arc<dyn Cache>> {
    cx.clients(TASKS).await
}

/// Readers against one writer.
struct Race {
    /// The highest value whose write, or whose invalidation of lower ones, was acknowledged.
    floor: AtomicU64,
    done: AtomicBool,
    ready: Barrier,
    reads: AtomicU64,
}

impl Race {
    fn new(readers: usize) -> Arc<Self> {
        let ready = Barrier::new(readers + 1);
        Arc::new(Self { floor: 0.into(), done: false.into(), ready, reads: 0.into() })
    }

    /// Notes before each read what is known to be acknowledged; an answer below that is stale.
    async fn read<F: Future<Output = Option<u64>>>(self: Arc<Self>, mut read: impl FnMut() -> F) {
        self.ready.wait().await;
        while !self.done.load(Ordering::Acquire) {
            let acknowledged = self.floor.load(Ordering::Acquire);
            if let Some(value) = read().await {
                assert!(value >= acknowledged, "read {value} after {acknowledged} was acknowledged");
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Now and then there is time for a load to end and to be read, also where a write takes long; but not for ever.
    async fn somebody_reads(&self) {
        let (before, end) = (self.reads.load(Ordering::Relaxed), BootInstant::now().after(Duration::from_millis(500)));
        loop {
            tokio::time::sleep(Duration::from_millis(2)).await;
            if self.reads.load(Ordering::Relaxed) > before || end.has_passed() {
                return;
            }
        }
    }

    /// Writes as long as a race takes, then waits for the readers.
    async fn write(&self, mut readers: JoinSet<()>, mut write: impl AsyncFnMut(u64)) {
        self.ready.wait().await;
        for round in rounds() {
            write(round).await;
            self.floor.store(round, Ordering::Release);
            if round % 8 == 0 {
                self.somebody_reads().await;
            }
            tokio::task::yield_now().await;
        }
        self.done.store(true, Ordering::Release);
        while let Some(reader) = readers.join_next().await {
            reader.expect("no stale read");
        }
        assert!(self.reads.load(Ordering::Relaxed) > 0, "nobody read anything: the case proved nothing");
    }
}

pub(super) async fn no_read_after_a_set_is_stale(cx: Cx) {
    let clients = clients(&cx).await;
    let race = Race::new(TASKS - 1);
    put(&*clients[0], "k", "0").await;
    let mut readers = JoinSet::new();
    for client in &clients[1..] {
        let (client, race) = (Arc::clone(client), Arc::clone(&race));
        readers.spawn(race.read(move || {
            let client = Arc::clone(&client);
            async move { client.get("k").await.expect("get").as_ref().map(number) }
        }));
    }
    race.write(readers, async |round| put(&*clients[0], "k", &round.to_string()).await).await;
}

/// What invalidates.
#[derive(Clone, Copy)]
enum Invalidate {
    Remove,
    Clear,
}

/// The source changes, then the cache is told; loaders with tickets load from the source meanwhile.
async fn no_stale_loads(cx: Cx, how: Invalidate) {
    let clients = clients(&cx).await;
    let source = Arc::new(AtomicU64::new(0));
    let race = Race::new(TASKS - 1);
    let mut loaders = JoinSet::new();
    for client in &clients[1..] {
        let (client, source, race) = (Arc::clone(client), Arc::clone(&source), Arc::clone(&race));
        loaders.spawn(race.read(move || load_once(Arc::clone(&client), Arc::clone(&source))));
    }
    race.write(loaders, async |round| {
        source.store(round, Ordering::Release);
        match how {
            Invalidate::Remove => drop(clients[0].remove("k").await.expect("remove")),
            Invalidate::Clear => clients[0].clear().await.expect("clear"),
        }
    })
    .await;
}

async fn load_once(client: Arc<dyn Cache>, source: Arc<AtomicU64>) -> Option<u64> {
    match client.get_or_reserve("k", HOUR).await.expect("get_or_reserve") {
        Lookup::Hit(value) => Some(number(&value)),
        Lookup::Loading => None,
        Lookup::Reserved(ticket) => {
            let loaded = source.load(Ordering::Acquire);
            tokio::task::yield_now().await;
            client.fill(ticket, loaded.to_string().into(), Expiry::Never).await.expect("fill");
            None
        }
    }
}

pub(super) async fn no_load_puts_back_what_a_removal_overtook(cx: Cx) {
    no_stale_loads(cx, Invalidate::Remove).await;
}

pub(super) async fn no_load_puts_back_what_a_clear_overtook(cx: Cx) {
    no_stale_loads(cx, Invalidate::Clear).await;
}

pub(super) async fn one_of_many_gets_the_ticket(cx: Cx) {
    let clients = clients(&cx).await;
    for round in rounds().take(1000) {
        let key: Arc<str> = format!("k{round}").into();
        let start = Arc::new(Barrier::new(TASKS));
        let mut callers = JoinSet::new();
        for client in &clients {
            let (client, key, start) = (Arc::clone(client), Arc::clone(&key), Arc::clone(&start));
            callers.spawn(async move {
                start.wait().await;
                client.get_or_reserve(&key, HOUR).await
            });
        }
        let mut tickets = 0;
        while let Some(caller) = callers.join_next().await {
            match caller.expect("a caller ends") {
                Ok(Lookup::Reserved(_)) => tickets += 1,
                Ok(Lookup::Loading) => {}
                other => panic!("{}, wanted a ticket or Loading", shown(&other)),
            }
        }
        assert_eq!(tickets, 1, "tickets for one key at once");
    }
}

/// Of a fill and an invalidation at the same time: if the ticket was good, the invalidation came later.
pub(super) async fn a_fill_never_outlives_a_removal_beside_it(cx: Cx) {
    let clients = clients(&cx).await;
    for round in rounds() {
        let ticket = reserve(&*clients[0], "k", HOUR).await;
        let start = Arc::new(Barrier::new(2));
        let (filler, remover) = (Arc::clone(&clients[0]), Arc::clone(&clients[1]));
        let filling = tokio::spawn({
            let start = Arc::clone(&start);
            async move {
                start.wait().await;
                fill(&*filler, ticket, "old").await
            }
        });
        start.wait().await;
        let removed = if round % 3 == 0 {
            remover.clear().await.expect("clear");
            None
        } else {
            Some(remover.remove("k").await.expect("remove"))
        };
        let filled = filling.await.expect("the fill ends");
        assert!(removed.is_none_or(|removed| removed == filled), "removed {removed:?}, filled {filled}");
        assert_eq!(value_of(&*clients[2], "k").await, None, "after a removal and a fill ({filled}) at once");
    }
}

pub(super) async fn a_fill_never_replaces_a_set_beside_it(cx: Cx) {
    let clients = clients(&cx).await;
    for _ in rounds() {
        clients[0].remove("k").await.expect("remove");
        let ticket = reserve(&*clients[0], "k", HOUR).await;
        let start = Arc::new(Barrier::new(2));
        let filler = Arc::clone(&clients[0]);
        let filling = tokio::spawn({
            let start = Arc::clone(&start);
            async move {
                start.wait().await;
                fill(&*filler, ticket, "old").await
            }
        });
        start.wait().await;
        put(&*clients[1], "k", "new").await;
        let filled = filling.await.expect("the fill ends");
        let value = value_of(&*clients[2], "k").await;
        assert_eq!(value.as_deref(), Some("new"), "after a set and a fill ({filled}) at once");
    }
}

/// Each task reads and writes keys of its own; nobody gets what belongs to another.
pub(super) async fn answers_are_not_mixed_up(cx: Cx) {
    let clients = clients(&cx).await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS * 2 {
        // Two tasks share each client, and with it whatever connection it has.
        let client = Arc::clone(&clients[task % TASKS]);
        tasks.spawn(async move {
            let (one, two) = (format!("{task}-one"), format!("{task}-two"));
            for round in 0..100 {
                let value = |of: &str| Bytes::from(format!("{of} {round}"));
                client.set(&one, value(&one), Expiry::Never).await.expect("set");
                let answers = client.set_many(vec![(two.clone(), value(&two))], Expiry::Never).await;
                assert!(answers.len() == 1 && answers[0].is_ok(), "set_many: {answers:?}");
                assert_eq!(client.get(&one).await.ok(), Some(Some(value(&one))), "get of task {task}");
                let both = client.get_many(&[&two, &one, "none"]).await.ok();
                assert_eq!(both, Some(vec![Some(value(&two)), Some(value(&one)), None]), "get_many of task {task}");
                if round % 10 == 9 {
                    assert!(matches!(client.remove(&one).await, Ok(true)), "remove of task {task}");
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("a task gets its own answers");
    }
}

/// Near tier, shared cache and loads together: nobody gets an older value after a removal of his own process.
pub(super) async fn no_typed_read_after_a_removal_is_stale(cx: Cx) {
    let cache = TypedCache::<u64>::new(cx.open().await).with_near(100, HOUR);
    let (source, running) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let race = Race::new(TASKS);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (cache, source, running) = (cache.clone(), Arc::clone(&source), Arc::clone(&running));
        let race = Arc::clone(&race);
        tasks.spawn(race.read(move || {
            let (cache, source, running) = (cache.clone(), Arc::clone(&source), Arc::clone(&running));
            async move {
                let load = async {
                    running.fetch_add(1, Ordering::AcqRel);
                    let value = source.load(Ordering::Acquire);
                    tokio::task::yield_now().await;
                    running.fetch_sub(1, Ordering::AcqRel);
                    Ok::<_, std::convert::Infallible>(value)
                };
                Some(*cache.get_or_load("k", load).await.expect("get_or_load"))
            }
        }));
    }
    race.write(tasks, async |round| {
        source.store(round, Ordering::Release);
        cache.remove("k").await.expect("remove");
    })
    .await;
    assert_eq!(running.load(Ordering::Acquire), 0, "loaders that began and did not end");
}
