//! Many tasks on few keys.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    DeleteOptions, Error, FencingToken, ListQuery, Precondition, Result, StateStore, TypedState, Version, Write,
};
use tokio::task::JoinSet;

use super::fixture::{Cx, PLAIN, assert_conflict, fenced, list_all, put, shown, value_of, version_of};
use crate::Context;

const TASKS: usize = 8;

/// One store for each task: the first half share a client, the others have clients of their own.
async fn clients(cx: &Context<dyn StateStore>) -> Vec<Arc<dyn StateStore>> {
    let mut stores = vec![cx.open().await; TASKS / 2];
    while stores.len() < TASKS {
        stores.push(cx.other_client().await);
    }
    stores
}

/// Runs one task for each store, from one moment on, and gives their answers.
async fn race<T, F>(stores: &[Arc<dyn StateStore>], work: impl Fn(usize, Arc<dyn StateStore>) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(stores.len()));
    let mut tasks = JoinSet::new();
    for (i, store) in stores.iter().enumerate() {
        let (start, work) = (Arc::clone(&start), work(i, Arc::clone(store)));
        tasks.spawn(async move {
            start.wait().await;
            work.await
        });
    }
    tasks.join_all().await
}

async fn number(store: &dyn StateStore, key: &str) -> (u64, Version) {
    let state = store.load(key).await.expect("load").expect("it is there");
    let text = std::str::from_utf8(&state.value).expect("digits");
    (text.parse().expect("a number"), state.version)
}

pub(super) async fn no_update_by_compare_and_swap_is_lost(cx: Cx) {
    let stores = clients(&cx).await;
    put(&*stores[0], "n", "0").await;
    let conflicts = race(&stores, |_, store| async move {
        let (mut done, mut conflicts) = (0, 0_u64);
        while done < 50 {
            let (n, version) = number(&*store, "n").await;
            // Lets others in between, also where a store answers at once.
            tokio::task::yield_now().await;
            match store.save("n", (n + 1).to_string().into(), PLAIN.if_version(version)).await {
                Ok(_) => done += 1,
                Err(Error::Conflict { .. }) => conflicts += 1,
                Err(error) => panic!("a save under Match: {error}"),
            }
        }
        conflicts
    });
    let conflicts: u64 = conflicts.await.into_iter().sum();
    let (n, _) = number(&*stores[0], "n").await;
    assert_eq!(n, 50 * TASKS as u64, "increments under Match, with {conflicts} conflicts");
}

pub(super) async fn one_of_many_creates(cx: Cx) {
    let stores = clients(&cx).await;
    for round in 0..40 {
        let key = format!("k{round}");
        let answers = race(&stores, |i, store| {
            let key = key.clone();
            async move { store.save(&key, format!("{i}").into(), PLAIN.if_absent()).await }
        });
        one_winner(answers.await, &*stores[0], &key, "a save under Absent").await;
    }
}

pub(super) async fn one_of_many_replaces(cx: Cx) {
    let stores = clients(&cx).await;
    let mut version = put(&*stores[0], "k", "v").await;
    for _ in 0..40 {
        let answers =
            race(
                &stores,
                |i, store| async move { store.save("k", format!("{i}").into(), PLAIN.if_version(version)).await },
            );
        version = one_winner(answers.await, &*stores[0], "k", "a save under Match").await;
    }
}

/// Exactly one answer is `Ok`, and its version is the one that lives.
async fn one_winner(answers: Vec<Result<Version>>, store: &dyn StateStore, key: &str, what: &str) -> Version {
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1, "{what} of {key:?} succeeded {} times", won.len());
    let version = *won[0].as_ref().expect("partitioned");
    assert_eq!(version_of(store, key).await, Some(version), "the version of {key:?} is not the winner's");
    for refused in lost {
        assert_conflict(refused, key, Some(version), what);
    }
    version
}

pub(super) async fn one_of_many_deletes_or_replaces(cx: Cx) {
    let stores = clients(&cx).await;
    for round in 0..40 {
        let version = put(&*stores[0], "k", "v").await;
        let answers = race(&stores, |i, store| async move {
            if i % 2 == 0 {
                store.save("k", "w".into(), PLAIN.if_version(version)).await.map(Some)
            } else {
                store.delete("k", DeleteOptions::new().if_version(version)).await.map(|_| None)
            }
        });
        let won: Vec<_> = answers.await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1, "round {round}: saves and deletes under one version that succeeded");
        assert_eq!(version_of(&*stores[0], "k").await, won[0], "round {round}: what the winner left");
    }
}

/// Transfers between accounts in every order. Deadlocks would show as errors, half commits in the sum.
pub(super) async fn commits_in_any_order_conserve_the_sum(cx: Cx) {
    const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
    let stores = clients(&cx).await;
    for account in ACCOUNTS {
        put(&*stores[0], account, "1000").await;
    }
    let seed = cx.seed();
    let done = race(&stores, |i, store| async move {
        let mut rng = fastrand::Rng::with_seed(seed ^ (i as u64) << 32);
        let mut committed = 0;
        for _ in 0..40 {
            let from = rng.usize(..4);
            let to = (from + 1 + rng.usize(..3)) % 4;
            let ((x, old_x), (y, old_y)) = (number(&*store, ACCOUNTS[from]).await, number(&*store, ACCOUNTS[to]).await);
            let amount = rng.u64(..10).min(x);
            tokio::task::yield_now().await;
            let writes = vec![
                Write::save(ACCOUNTS[from], (x - amount).to_string(), PLAIN.if_version(old_x)),
                Write::save(ACCOUNTS[to], (y + amount).to_string(), PLAIN.if_version(old_y)),
            ];
            match store.commit(writes).await {
                Ok(_) => committed += 1,
                Err(Error::Conflict { .. }) => {}
                Err(error) => panic!("commits in opposite orders end with {error}"),
            }
        }
        committed
    });
    let committed: u64 = done.await.into_iter().sum();
    let mut sum = 0;
    for account in ACCOUNTS {
        sum += number(&*stores[0], account).await.0;
    }
    assert_eq!(sum, 4000, "the sum of all accounts after {committed} transfers");
    assert!(committed > 0, "no transfer succeeded");
}

/// Both keys of a commit change in one step, for whoever reads them in one step.
pub(super) async fn load_many_sees_all_of_a_commit_or_nothing(cx: Cx) {
    let stores = clients(&cx).await;
    let first = ["a", "b"].map(|key| Write::save(key, "first", PLAIN));
    stores[0].commit(first.into()).await.expect("commit");
    let ended = Arc::new(AtomicBool::new(false));
    race(&stores, |i, store| {
        let ended = Arc::clone(&ended);
        async move {
            if i < 2 {
                for n in 0..200 {
                    let keys = if n % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
                    let writes = keys.map(|key| Write::save(key, format!("{i}/{n}"), PLAIN)).into();
                    store.commit(writes).await.expect("commit");
                    tokio::task::yield_now().await;
                }
                ended.store(true, Ordering::Relaxed);
                return;
            }
            while !ended.load(Ordering::Relaxed) {
                let keys = if i % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
                let pair = store.load_many(&keys).await.expect("load_many");
                let [one, other] = &pair[..] else { panic!("{} answers to two keys", pair.len()) };
                let (one, other) = (one.as_ref().expect("saved"), other.as_ref().expect("saved"));
                assert_eq!(one.version, other.version, "half of a commit: {:?} beside {:?}", one.value, other.value);
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
}

/// Two flags, of which one must stay: whoever takes one down checks the other in the same commit.
pub(super) async fn a_check_keeps_what_it_checked_from_changing(cx: Cx) {
    let stores = clients(&cx).await;
    for round in 0..40 {
        let (a, b) = (put(&*stores[0], "a", "up").await, put(&*stores[0], "b", "up").await);
        let answers = race(&stores, |i, store| async move {
            let ((own, version), (other, checked)) =
                if i % 2 == 0 { (("a", a), ("b", b)) } else { (("b", b), ("a", a)) };
            let writes = vec![
                Write::check(other, Precondition::Match(checked)),
                Write::delete(own, DeleteOptions::new().if_version(version)),
            ];
            store.commit(writes).await
        });
        let down = answers.await.into_iter().filter(Result::is_ok).count();
        assert_eq!(down, 1, "round {round}: of commits that each check what the other deletes");
        let left = usize::from(value_of(&*stores[0], "a").await.is_some())
            + usize::from(value_of(&*stores[0], "b").await.is_some());
        assert_eq!(left, 1, "round {round}: flags that are left");
    }
}

/// Keys that stay are listed once by each of many readers, while others come and go around them.
pub(super) async fn pages_are_whole_under_concurrent_writes(cx: Cx) {
    let stores = clients(&cx).await;
    let staying: BTreeSet<String> = (0..30).map(|i| format!("k{i:02}-stays")).collect();
    for key in &staying {
        put(&*stores[0], key, "v").await;
    }
    let ended = Arc::new(AtomicBool::new(false));
    let seed = cx.seed();
    race(&stores, |i, store| {
        let (staying, ended) = (staying.clone(), Arc::clone(&ended));
        async move {
            if i < 4 {
                let mut rng = fastrand::Rng::with_seed(seed ^ (i as u64) << 32);
                while !ended.load(Ordering::Relaxed) {
                    let key = format!("k{:02}-passes", rng.usize(..30));
                    put(&*store, &key, "v").await;
                    put(&*store, &format!("k{:02}-stays", rng.usize(..30)), "again").await;
                    let _existed = store.delete(&key, DeleteOptions::new()).await.expect("delete");
                    tokio::task::yield_now().await;
                }
                return;
            }
            for round in 0..15 {
                let limit = 1 + (round * 7 + i) % 9;
                let listed: Vec<String> = list_all(&*store, "", limit).await.into_iter().map(|(key, _)| key).collect();
                assert!(listed.is_sorted_by(|a, b| a < b), "out of order, or twice, in pages of {limit}: {listed:?}");
                let found: BTreeSet<String> = listed.into_iter().filter(|key| key.ends_with("stays")).collect();
                assert_eq!(found, staying, "in pages of {limit}");
                tokio::task::yield_now().await;
            }
            ended.store(true, Ordering::Relaxed);
        }
    })
    .await;
    let page = stores[0].list(ListQuery::prefix("k").limit(1000)).await.expect("list");
    assert!(page.keys.len() >= staying.len(), "at the end");
}

/// Each task writes its token; the store lets no lower one in after a higher one.
pub(super) async fn tokens_never_go_back(cx: Cx) {
    let stores = clients(&cx).await;
    race(&stores, |i, store| async move {
        let mut highest = 0;
        for n in 0..50 {
            let token = (n * TASKS + i) as u64;
            match store.save("k", token.to_string().into(), fenced(token)).await {
                Ok(_) | Err(Error::Fenced { .. }) => {}
                answer => panic!("a fenced save: {}", shown(&answer)),
            }
            if let Some(state) = store.load("k").await.expect("load") {
                let seen: u64 = String::from_utf8_lossy(&state.value).parse().expect("a number");
                assert!(seen >= highest, "token {seen} was let in after {highest}");
                highest = seen;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (last, _) = number(&*stores[0], "k").await;
    assert_eq!(last, 50 * TASKS as u64 - 1, "the highest token writes last");
    let below = stores[0].fence(&["k"], FencingToken(last - 1)).await;
    assert!(matches!(below, Err(Error::Fenced { .. })), "a token below: {}", shown(&below));
}

pub(super) async fn concurrent_updates_lose_nothing(cx: Cx) {
    let stores = clients(&cx).await;
    // This is not about how fast a busy machine gets through them all.
    let view = |store| TypedState::<u64>::new(store).with_deadline(Duration::from_secs(25));
    let shared = view(Arc::clone(&stores[0]));
    // Some tasks share a view, and so its queue; others compete at the store.
    race(&stores, |i, store| {
        let view = if i % 2 == 0 { shared.clone() } else { view(store) };
        async move {
            for _ in 0..20 {
                view.update("n", |n| n.unwrap_or(0) + 1).await.expect("update");
            }
        }
    })
    .await;
    let n = shared.load("n").await.expect("load").expect("it is there").value;
    assert_eq!(n, 20 * TASKS as u64, "updates by {TASKS} tasks");
}
