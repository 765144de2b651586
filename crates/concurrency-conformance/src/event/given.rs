//! What the cases begin with, and how they look at the outcome.

use concurrency_core::{
    AppendId, AppendOptions, Appended, Bytes, Error, EventStore, NewEvent, Position, ReadQuery, Recorded, Result,
    StreamSlice,
};

use crate::Context;

/// What a case of this suite is handed.
pub(super) type Cx = Context<dyn EventStore>;

/// Larger limits than this are not tried out: it would only be the memory of this machine that is tested.
pub(super) const LARGEST_TRIED: usize = 64 << 20;

/// Asserts that an answer matches, and shows it where it does not.
macro_rules! assert_answer {
    ($answer:expr, $pattern:pat $(if $guard:expr)?, $($why:tt)+) => {
        match &$answer {
            $pattern $(if $guard)? => {}
            other => panic!("{}: {other:?}", format_args!($($why)+)),
        }
    };
}
pub(super) use assert_answer;

/// Names that a store could take for one another, and names that could mean something to it.
pub(super) const TWINS: &[&str] = &[
    "order",
    "Order",
    "ORDER",
    "order ",
    " order",
    "orde\u{301}r",
    "ordér",
    "order\0",
    "order\0x",
    "%",
    "o%",
    "_rder",
    "orde_",
    "*",
    "o*",
    "{order}",
    "}order{",
    "{",
    "order:1",
    "order/1",
    "$all",
    "'order'",
    "\"order\"",
    "order;--",
    "\\",
    "🦀",
    "order\n",
    "ordér\u{0}",
    "straße",
    "STRASSE",
    "ﬁ",
    "fi",
];

/// Events of type `e` whose data are the numbers from 1.
pub(super) fn events(count: usize) -> Vec<NewEvent> {
    (1..=count).map(|n| event("e", n.to_string())).collect()
}

/// One event.
pub(super) fn event(event_type: &str, data: impl Into<Bytes>) -> NewEvent {
    NewEvent::new(event_type, data)
}

/// Options with an append id of their own.
pub(super) fn identified() -> AppendOptions {
    AppendOptions::new().with_append_id(AppendId::mint())
}

/// Appends that many, whatever is there.
pub(super) async fn grow(store: &dyn EventStore, stream: &str, count: usize) -> Appended {
    store.append(stream, events(count), AppendOptions::new()).await.expect("an append without conditions is accepted")
}

/// A whole stream, and how far it reaches.
pub(super) async fn whole(store: &dyn EventStore, stream: &str) -> StreamSlice {
    let mut whole = slice(store, stream, ReadQuery::forwards(1).limit(1000)).await;
    while whole.events.last().is_some_and(|last| last.version < whole.last) {
        let next = whole.events.last().expect("just looked").version + 1;
        let more = slice(store, stream, ReadQuery::forwards(next).limit(1000)).await;
        assert!(!more.events.is_empty(), "no event at or after version {next} of {}", whole.last);
        whole.events.extend(more.events);
    }
    whole
}

/// What a query answers.
pub(super) async fn slice(store: &dyn EventStore, stream: &str, query: ReadQuery) -> StreamSlice {
    store.read(stream, query).await.expect("a stream can be read")
}

/// The whole global order, as a reader sees it who pages through it.
pub(super) async fn log(store: &dyn EventStore) -> Vec<Recorded> {
    log_after(store, Position::START, 1000).await.0
}

/// The global order after a position, read in pages of that many, and where it ended.
pub(super) async fn log_after(store: &dyn EventStore, after: Position, page: usize) -> (Vec<Recorded>, Position) {
    let (mut events, mut next) = (Vec::new(), after);
    loop {
        let batch = store.read_all(next, page).await.expect("the global order can be read");
        assert!(batch.events.len() <= page, "{} events in a page of {page}", batch.events.len());
        assert!(batch.next >= next, "reading on leads back, from {next} to {}", batch.next);
        if batch.events.is_empty() {
            return (events, batch.next.max(next));
        }
        assert!(batch.next > next, "reading on leads nowhere: {next} to {}", batch.next);
        next = batch.next;
        events.extend(batch.events);
    }
}

/// Everything that a refused call could have changed.
pub(super) async fn footprint(store: &dyn EventStore, stream: &str) -> (StreamSlice, Vec<Recorded>) {
    (whole(store, stream).await, log(store).await)
}

/// The versions of events.
pub(super) fn versions(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.version).collect()
}

/// Type and data of events, as text.
pub(super) fn contents(events: &[Recorded]) -> Vec<String> {
    events.iter().map(|event| format!("{} {}", event.event_type, String::from_utf8_lossy(&event.data))).collect()
}

/// Asserts that this append is refused as `expected` says, and that it has changed nothing.
pub(super) async fn refused(
    store: &dyn EventStore,
    stream: &str,
    events: Vec<NewEvent>,
    options: AppendOptions,
    what: &str,
    expected: fn(&Error) -> bool,
) {
    let before = footprint(store, stream).await;
    let answer: Result<Appended> = store.append(stream, events, options).await;
    let Err(error) = &answer else { panic!("{what}: accepted as {answer:?}") };
    assert!(expected(error), "{what}: {error:?}");
    assert_eq!(footprint(store, stream).await, before, "{what}: it was refused and has changed something");
}

/// Polls a call so many times, unless it has ended before, and drops it.
pub(super) fn poll_and_drop(polls: usize, call: impl Future) {
    let mut call = std::pin::pin!(call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..polls {
        if call.as_mut().poll(&mut context).is_ready() {
            break;
        }
    }
}
