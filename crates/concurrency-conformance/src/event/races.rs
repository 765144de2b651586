//! Many tasks at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{AppendOptions, Appended, Error, EventStore, FencingToken, Position, Recorded, Result};
use tokio::task::JoinSet;

use super::given::{Cx, assert_answer, contents, event, events, grow, identified, log, log_after, versions, whole};

/// Runs that many tasks, each of which makes its own attempt, and returns what they got.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    tasks: usize,
    mut attempt: impl FnMut(usize) -> F,
) -> Vec<T> {
    let start = Arc::new(tokio::sync::Barrier::new(tasks));
    let mut running = JoinSet::new();
    for n in 0..tasks {
        let (start, attempt) = (Arc::clone(&start), attempt(n));
        running.spawn(async move {
            start.wait().await;
            attempt.await
        });
    }
    running.join_all().await
}

/// Two clients, or one for each process.
async fn clients(cx: &Cx) -> Vec<Arc<dyn EventStore>> {
    cx.clients(2).await
}

pub(super) async fn one_of_many_wins_a_version(cx: Cx) {
    let clients = clients(&cx).await;
    for version in 0..25 {
        let answers = at_once(8, |n| {
            let store = Arc::clone(&clients[n % clients.len()]);
            async move { store.append("s", events(1), AppendOptions::new().expecting(version)).await }
        })
        .await;
        let winners = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(winners, 1, "appends with Exact({version}): {answers:?}");
        let refused = |answer: &Result<Appended>| matches!(answer, Err(Error::Conflict { .. }));
        assert_eq!(answers.iter().filter(|answer| refused(answer)).count(), 7, "{answers:?}");
    }
    assert_eq!(versions(&whole(&clients[0], "s").await.events), (1..=25).collect::<Vec<_>>());
}

pub(super) async fn under_one_id_one_appends_and_all_get_its_result(cx: Cx) {
    let clients = clients(&cx).await;
    for round in 1..=25_u64 {
        let options = identified();
        let answers = at_once(8, |n| {
            let store = Arc::clone(&clients[n % clients.len()]);
            async move { store.append("s", events(2), options.expecting(2 * (round - 1))).await }
        })
        .await;
        for answer in answers {
            assert_answer!(answer, Ok(appended) if (appended.first, appended.last) == (2 * round - 1, 2 * round), "round {round}");
        }
        assert_eq!(whole(&clients[0], "s").await.last, 2 * round, "one of them appended");
    }
}

pub(super) async fn under_one_id_one_content_wins(cx: Cx) {
    let clients = clients(&cx).await;
    for round in 1..=25_u64 {
        let options = identified();
        let answers = at_once(8, |n| {
            let store = Arc::clone(&clients[n % clients.len()]);
            let content = vec![event("e", (n % 4).to_string())];
            async move { (n % 4, store.append("s", content, options).await) }
        })
        .await;
        let stream = whole(&clients[0], "s").await;
        assert_eq!(stream.last, round, "one of them appended: {answers:?}");
        let winner = contents(&stream.events).pop().expect("just counted");
        for (content, answer) in answers {
            match answer {
                Ok(appended) => assert_eq!((appended.last, format!("e {content}")), (round, winner.clone())),
                Err(Error::AppendIdReused { .. }) => assert_ne!(format!("e {content}"), winner),
                other => panic!("content {content}: {other:?}"),
            }
        }
    }
}

pub(super) async fn readers_step_over_nothing(cx: Cx) {
    let clients = clients(&cx).await;
    let written = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|n| {
            let (store, written) = (Arc::clone(&clients[n % clients.len()]), Arc::clone(&written));
            tokio::spawn(async move { follow(&store, &written, n + 1).await })
        })
        .collect();
    let appended = at_once(6, |n| {
        let (store, mut rng) = (Arc::clone(&clients[n % clients.len()]), cx.rng());
        async move {
            let mut count = 0;
            for _ in 0..25 {
                let events = rng.usize(1..4);
                grow(&store, &format!("s{}", rng.u8(0..4)), events).await;
                count += events;
                if rng.bool() {
                    tokio::task::yield_now().await;
                }
            }
            count
        }
    })
    .await;
    written.store(true, Ordering::SeqCst);
    let all = log(&clients[0]).await;
    assert_eq!(all.len(), appended.iter().sum::<usize>());
    for reader in readers {
        let seen = reader.await.expect("the reader lives");
        assert!(seen.is_sorted_by(|a, b| a.position < b.position), "positions rise");
        let missed: Vec<_> = all.iter().filter(|event| !seen.contains(event)).collect();
        assert!(missed.is_empty(), "a reader stepped over {missed:?}");
        assert_eq!(seen.len(), all.len());
    }
    for stream in ["s0", "s1", "s2", "s3"] {
        let in_stream = whole(&clients[0], stream).await.events;
        assert_eq!(versions(&in_stream), (1..=in_stream.len() as u64).collect::<Vec<_>>(), "{stream}");
        let in_global: Vec<_> = all.iter().filter(|event| event.stream.as_ref() == stream).cloned().collect();
        assert_eq!(in_global, in_stream, "the orders agree about {stream}");
    }
}

/// Reads the global order while others write, until there is nothing more after they have ended.
async fn follow(store: &dyn EventStore, written: &AtomicBool, page: usize) -> Vec<Recorded> {
    let (mut seen, mut next) = (Vec::new(), Position::START);
    loop {
        let ended = written.load(Ordering::SeqCst);
        let (more, end) = log_after(store, next, page).await;
        if more.is_empty() && ended {
            return seen;
        }
        seen.extend(more);
        next = end;
        tokio::task::yield_now().await;
    }
}

pub(super) async fn half_an_append_is_never_seen(cx: Cx) {
    let clients = clients(&cx).await;
    let written = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, written) = (Arc::clone(&clients[1]), Arc::clone(&written));
        tokio::spawn(async move {
            let mut looks = 0_u64;
            while !written.load(Ordering::SeqCst) || looks == 0 {
                let stream = store.read("s", concurrency_core::ReadQuery::newest().limit(1)).await.expect("read");
                assert_eq!(stream.last % 5, 0, "a stream that grows by fives ends at {}", stream.last);
                let batch = store.read_all(Position::START, 1000).await.expect("read");
                assert_eq!(batch.events.len() % 5, 0, "a log that grows by fives has {} events", batch.events.len());
                looks += 1;
                tokio::task::yield_now().await;
            }
        })
    };
    at_once(4, |n| {
        let store = Arc::clone(&clients[n % clients.len()]);
        async move {
            for _ in 0..20 {
                grow(&store, "s", 5).await;
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    written.store(true, Ordering::SeqCst);
    reader.await.expect("no half append was seen");
    let side_by_side: Vec<_> = contents(&whole(&clients[0], "s").await.events);
    assert!(side_by_side.chunks(5).all(|chunk| chunk == ["e 1", "e 2", "e 3", "e 4", "e 5"]), "{side_by_side:?}");
}

pub(super) async fn no_wake_up_is_lost(cx: Cx) {
    let clients = clients(&cx).await;
    let (store, other) = (Arc::clone(&clients[0]), Arc::clone(&clients[1]));
    let rounds = if store.capabilities().notifies { 200 } else { 5 };
    let (answer, mut answered) = tokio::sync::mpsc::channel(1);
    let reader = tokio::spawn(async move {
        let mut next = Position::START;
        for _ in 0..rounds {
            let seen = loop {
                let (seen, end) = log_after(&store, next, 10).await;
                next = end;
                if !seen.is_empty() {
                    break seen.len();
                }
                store.changed(next).await.expect("a hint");
            };
            assert_eq!(seen, 1);
            answer.send(()).await.expect("the writer listens");
        }
    });
    for round in 0..rounds {
        grow(&other, "s", 1).await;
        let woken = tokio::time::timeout(Duration::from_secs(5), answered.recv()).await;
        assert_answer!(woken, Ok(Some(())), "append {round} of {rounds}: the reader sleeps on");
    }
    reader.await.expect("the reader lives");
}

pub(super) async fn holders_are_fenced_in_order(cx: Cx) {
    let clients = clients(&cx).await;
    let highest = Arc::new(AtomicU64::new(0));
    let answers = at_once(8, |n| {
        let (store, highest, mut rng) = (Arc::clone(&clients[n % clients.len()]), Arc::clone(&highest), cx.rng());
        async move {
            let mut accepted = Vec::new();
            for _ in 0..25 {
                let token = rng.u64(1..1000);
                let seen = highest.load(Ordering::SeqCst);
                let options = AppendOptions::new().fenced_by(FencingToken(token));
                match store.append("s", vec![event("e", token.to_string())], options).await {
                    Ok(appended) => {
                        assert!(token >= seen, "token {token} was accepted after {seen}");
                        highest.fetch_max(token, Ordering::SeqCst);
                        accepted.push((appended.last, token));
                    }
                    Err(Error::Fenced { seen, .. }) => assert!(token < seen.0, "{token} refused at {seen:?}"),
                    Err(error) => panic!("token {token}: {error:?}"),
                }
            }
            accepted
        }
    })
    .await;
    let mut accepted: Vec<_> = answers.into_iter().flatten().collect();
    accepted.sort_unstable();
    assert!(accepted.is_sorted_by(|a, b| a.1 <= b.1), "tokens in the order of versions: {accepted:?}");
}

pub(super) async fn truncation_meets_appends(cx: Cx) {
    let clients = clients(&cx).await;
    at_once(4, |n| {
        let store = Arc::clone(&clients[n % clients.len()]);
        async move {
            for _ in 0..20 {
                let appended = grow(&store, "s", 2).await;
                if n == 0 {
                    store.truncate_before("s", appended.first).await.expect("truncated");
                }
            }
        }
    })
    .await;
    let left = whole(&clients[0], "s").await;
    assert_eq!(left.last, 160, "no number was burnt or given twice");
    assert_eq!(versions(&left.events), (left.first..=160).collect::<Vec<_>>(), "what is left has no gap");
}
