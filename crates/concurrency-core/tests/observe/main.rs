//! What goes to `tracing`: under the names of `observe`, and without values and owners.
#![allow(clippy::unwrap_used, reason = "tests, helpers included")]

mod failing;

use std::{
    collections::BTreeSet,
    fmt::Debug,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::*;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Stands in every value, in every event and in every error of a caller.
const SECRET: &str = "hunter2";

/// Names of spans and events, and the text of all fields.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<(BTreeSet<String>, String)>>);

impl Heard {
    fn note(&self, metadata: &Metadata<'_>, fields: impl FnOnce(&mut dyn Visit)) {
        if !metadata.target().starts_with("concurrency") {
            return;
        }
        let mut heard = self.0.lock().unwrap();
        heard.0.insert(metadata.name().to_owned());
        fields(&mut Text(&mut heard.1));
    }

    fn has(&self, name: &str) -> bool {
        self.0.lock().unwrap().0.contains(name)
    }
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{field}={value:?}\n"));
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.note(span.metadata(), |text| span.record(text));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        self.note(event.metadata(), |text| event.record(text));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The answer of a call to memory, which comes at once: also inside a closure that cannot wait.
fn at_once<T>(call: impl Future<Output = Result<T>>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.expect("accepted"),
        Poll::Pending => panic!("memory answers at once"),
    }
}

async fn states(memory: &Memory) {
    let store: Arc<dyn StateStore> = memory.state_store("s").unwrap();
    let typed = TypedState::<String>::new(Arc::clone(&store));
    let mut first = true;
    let update = typed.update("k", |old| {
        if std::mem::take(&mut first) {
            at_once(store.save("k", format!("\"{SECRET} of another\"").into(), SaveOptions::new()));
        }
        old.unwrap_or_default() + SECRET
    });
    assert!(update.await.unwrap().value.contains("another"));
}

async fn caches(memory: &Memory) {
    let cache = TypedCache::<String>::new(memory.cache("c").unwrap()).with_stale_if_error(Duration::from_secs(60));
    let cache = cache.with_expiry(Duration::from_millis(1));
    cache.set("k", &SECRET.to_owned()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let fails = async { Err::<String, _>(std::io::Error::other(SECRET)) };
    assert_eq!(*cache.get_or_load("k", fails).await.unwrap(), SECRET, "the old value");
    let closed = memory.another_client();
    let cache = TypedCache::<String>::new(closed.cache("c").unwrap()).on_error(OnError::Miss);
    closed.close().await;
    drop(cache.get_or_load("k", async { Ok::<_, std::io::Error>(SECRET.to_owned()) }).await);
}

/// Answers the owners of the leases that were granted, as they would show.
async fn locks(memory: &Memory) -> Vec<String> {
    let locks = Locks::new(memory.lock("l").unwrap());
    locks.acquire("k", LockOptions::new()).await.unwrap().release().await.unwrap();
    let short = LockOptions::new().with_ttl(MIN_LOCK_TTL).without_renewal();
    locks.acquire("k", short).await.unwrap().lost().await;
    tokio::time::sleep(MIN_LOCK_TTL).await;
    let claim = Claim::new("k", MIN_LOCK_TTL).unwrap();
    memory.lock("l").unwrap().try_acquire(&claim).await.unwrap().expect("the lease has lapsed");
    vec![String::from_utf8_lossy(&claim.owner().to_bytes()).into_owned(), format!("{:?}", claim.owner().to_bytes())]
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Said(String);

impl concurrency_core::Event for Said {
    fn event_type(&self) -> &'static str {
        "said"
    }
}

#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Last(String);

impl Aggregate for Last {
    type Event = Said;
    fn apply(&mut self, event: &Said) {
        self.0.clone_from(&event.0);
    }
}

struct Copies;

#[async_trait]
impl Projection for Copies {
    fn name(&self) -> &str {
        "copies"
    }
    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()> {
        rows.update(&event.stream, |_: Option<String>| SECRET.to_owned()).await
    }
}

async fn events(memory: &Memory) {
    let store: Arc<dyn EventStore> = memory.event_store("e").unwrap();
    let said = || Said(SECRET.to_owned());
    let last = Repository::<Last>::new(Arc::clone(&store));
    let mut first = true;
    let decided = last.execute("s", |_| {
        if std::mem::take(&mut first) {
            let other = NewEvent::new("said", format!("\"{SECRET}\""));
            at_once(store.append("s", vec![other], AppendOptions::new()));
        }
        Ok::<_, Error>(vec![said()])
    });
    assert_eq!(decided.await.unwrap().version, 2, "decided again");
    let all = store.read_all(Position::START, 10).await.unwrap().events;
    let unreadable =
        Snapshot { version: 1, event: all[0].id, schema: Last::SCHEMA, data: format!("{{{SECRET}").into() };
    store.save_snapshot("s", unreadable).await.unwrap();
    assert_eq!(last.load("s").await.unwrap().version, 2);

    let (rows, locks) = (memory.state_store("rows").unwrap(), Locks::new(memory.lock("projections").unwrap()));
    let projector = Projector::new(Copies, Arc::clone(&store), rows, locks).unwrap();
    projector.catch_up().await.unwrap();
    projector.rebuild().await.unwrap();
    projector.catch_up().await.unwrap();

    let forged = Checkpoint { event: EventId::mint(), ..all[1].checkpoint() };
    let rewound = Subscription::new(Arc::clone(&store), forged).next().await;
    assert!(matches!(rewound, Err(Error::LogRewound)));
    last.execute("s", |_| Ok::<_, Error>(vec![said(), said()])).await.unwrap();
    store.truncate_before("s", 4).await.unwrap();
    let told = Subscription::new(store, all[0].checkpoint()).next().await.unwrap();
    assert!(matches!(told, Delivery::Truncated { .. }), "{told:?}");
}

#[tokio::test]
async fn names_are_stable_and_fields_hold_no_values() {
    let heard = Heard::default();
    let _listening = tracing::subscriber::set_default(heard.clone());
    let memory = Memory::new();
    states(&memory).await;
    caches(&memory).await;
    let owners = locks(&memory).await;
    events(&memory).await;
    failing::locks(&memory, &heard).await;
    failing::events(&memory).await;
    let (names, text) = heard.0.lock().unwrap().clone();
    let wanted = [
        observe::STATE_UPDATE,
        observe::STATE_UPDATE_CONFLICT,
        observe::CACHE_FAILED,
        observe::CACHE_STALE_SERVED,
        observe::LOCK_GRANTED,
        observe::LOCK_LOST,
        observe::LOCK_RENEWAL_FAILED,
        observe::LOCK_RELEASED,
        observe::LOCK_RELEASE_FAILED,
        observe::EVENT_EXECUTE,
        observe::EVENT_EXECUTE_CONFLICT,
        observe::EVENT_SNAPSHOT_DISCARDED,
        observe::EVENT_SNAPSHOT_FAILED,
        observe::EVENT_TRUNCATED,
        observe::EVENT_REWOUND,
        observe::EVENT_PROJECT,
        observe::EVENT_PROJECT_RESTARTED,
        observe::EVENT_PROJECT_REBUILT,
        observe::EVENT_PROJECT_UNRELEASED,
    ];
    assert_eq!(names, wanted.map(str::to_owned).into(), "no other names, and none is missing");
    assert!(text.contains("key=\"k\"") && text.contains("token=1"), "{text}");
    assert!(!text.contains(SECRET), "a value shows in {text}");
    assert!(owners.iter().all(|owner| !text.contains(owner)), "an owner shows in {text}");
}
