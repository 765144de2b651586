//! Every public async method of the four traits and of the companions, as a call to be dropped.
//!
//! Not here: `StateTransaction` and `TypedTransaction`, which live inside a closure that runs at once. The methods of
//! `Rows` are called by the projector's. `connect`, `Backend::health` and `Backend::close` of memory end at their first poll, so
//! that there is nothing to drop.

use std::sync::Arc;

use concurrency_core::{
    AppendOptions, Boxed, Capabilities, Claim, DeleteOptions, Delivery, Error, EventId, Expiry, FencingToken,
    ListQuery, Lookup, NewEvent, Next, Position, Precondition, ReadQuery, Save, SaveOptions, Snapshot, Subscription,
    UpdateOptions, Write,
};
use tokio::task::yield_now;

use super::world::{Counted, PATIENCE, TTL, World, key, options};

/// Prepares a call; what comes out is what is polled and dropped.
type Prepare = fn(Arc<World>, usize) -> Boxed<'static, Boxed<'static, ()>>;

/// One method.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// Makes the call.
    pub(super) prepare: Prepare,
    /// It never comes to its end by itself.
    pub(super) endless: bool,
}

macro_rules! methods {
    ($($name:literal $($endless:ident)?: |$world:ident, $n:ident| $(after { $($before:tt)* })? => $call:expr;)*) => {
        [$(Method {
            name: $name,
            endless: methods!(@ $($endless)?),
            prepare: |$world, $n| Box::pin(async move {
                let _ = $n;
                $($($before)*)?
                // Refusals are answers like any other here.
                Box::pin(async move { let _answer = $call.await; }) as Boxed<'static, ()>
            }),
        }),*]
    };
    (@) => { false };
    (@ endless) => { true };
}

/// The methods of components that are declared, and how many others there are.
pub(super) fn declared(capabilities: &Capabilities) -> (Vec<Method>, usize) {
    const OF_CACHES: [&str; 2] = ["Cache", "TypedCache"];
    const OF_EVENTS: [&str; 4] = ["EventStore", "Repository", "Subscription", "Projector"];
    let is_of =
        |method: &Method, traits: &[&str]| method.name.split("::").next().is_some_and(|of| traits.contains(&of));
    let (declared, others): (Vec<_>, Vec<_>) = all().into_iter().partition(|method| {
        (capabilities.cache.is_some() || !is_of(method, &OF_CACHES))
            && (capabilities.events.is_some() || !is_of(method, &OF_EVENTS))
    });
    (declared, others.len())
}

/// All methods.
fn all() -> Vec<Method> {
    let groups = [state().into(), cache().into(), lock().into(), events().into(), companions()];
    groups.into_iter().flat_map(|group: Vec<Method>| group).collect()
}

fn state() -> [Method; 9] {
    methods! {
        "StateStore::load": |w, n| => w.state.load(key(n));
        "StateStore::save": |w, n| => w.state.save(key(n), "1".into(), SaveOptions::new());
        "StateStore::delete": |w, n| => w.state.delete(key(n), DeleteOptions::new());
        "StateStore::load_many": |w, n| => w.state.load_many(&[key(n), key(n + 1)]);
        "StateStore::save_many": |w, n| => w.state.save_many(vec![Save::new(key(n), "1", SaveOptions::new())]);
        "StateStore::delete_many": |w, n| => w.state.delete_many(&[key(n), key(n + 1)]);
        "StateStore::commit": |w, n| => w.state.commit(vec![
            Write::save(key(n), "1", SaveOptions::new()),
            Write::check(key(n + 1), Precondition::Present),
        ]);
        "StateStore::list": |w, n| => w.state.list(ListQuery::all());
        "StateStore::fence": |w, n| => w.state.fence(&[key(n)], FencingToken(1));
    }
}

fn cache() -> [Method; 12] {
    methods! {
        "Cache::get": |w, n| => w.cache.get(key(n));
        "Cache::set": |w, n| => w.cache.set(key(n), "1".into(), Expiry::Never);
        "Cache::remove": |w, n| => w.cache.remove(key(n));
        "Cache::clear": |w, n| => w.cache.clear();
        "Cache::get_many": |w, n| => w.cache.get_many(&[key(n), key(n + 1)]);
        "Cache::set_many": |w, n| => w.cache.set_many(vec![(key(n).to_owned(), "1".into())], Expiry::After(TTL));
        "Cache::remove_many": |w, n| => w.cache.remove_many(&[key(n), key(n + 1)]);
        "Cache::contains": |w, n| => w.cache.contains(key(n));
        "Cache::get_with_expiry": |w, n| => w.cache.get_with_expiry(key(n));
        "Cache::get_or_reserve": |w, n| => w.cache.get_or_reserve(key(n), TTL);
        "Cache::fill": |w, n| after {
            drop(w.cache.remove(key(n)).await);
            let reserved = w.cache.get_or_reserve(key(n), TTL).await;
        } => async move {
            if let Ok(Lookup::Reserved(ticket)) = reserved {
                drop(w.cache.fill(ticket, "1".into(), Expiry::Never).await);
            } else {
                drop(w.cache.get(key(n)).await);
            }
        };
        "Cache::filled": |w, n| => w.cache.filled(key(n));
    }
}

fn lock() -> [Method; 6] {
    methods! {
        "Lock::try_acquire": |w, n| after {
            let claim = Claim::new(key(n), TTL).expect("the claim is valid");
        } => w.lock.try_acquire(&claim);
        "Lock::acquire": |w, n| after {
            w.occupied(n).await;
            let claim = Claim::new(key(n), TTL).expect("the claim is valid");
        } => w.lock.acquire(&claim, PATIENCE);
        "Lock::renew": |w, n| after { let lease = w.lease(n).await; } => w.lock.renew(&lease);
        "Lock::renew_many": |w, n| after { let lease = w.lease(n).await; } => w.lock.renew_many(&[&lease, &lease]);
        "Lock::release": |w, n| after { let lease = w.lease(n).await; } => w.lock.release(lease.claim(), Some(lease.fencing_token()));
        "Lock::holder": |w, n| => w.lock.holder(key(n));
    }
}

fn event() -> NewEvent {
    NewEvent::new("counted", "null")
}

fn events() -> [Method; 7] {
    methods! {
        "EventStore::append": |w, n| => w.events.append(key(n), vec![event()], AppendOptions::new());
        "EventStore::read": |w, n| => w.events.read(key(n), ReadQuery::newest());
        "EventStore::read_all": |w, n| => w.events.read_all(Position::START, 10);
        "EventStore::changed" : |w, n| after { let seen = w.appended(n).await; } => w.events.changed(seen.position);
        "EventStore::load_snapshot": |w, n| => w.events.load_snapshot(key(n));
        "EventStore::save_snapshot": |w, n| after {
            let snapshot = Snapshot { version: 1, event: EventId::mint(), schema: 0, data: "null".into() };
        } => w.events.save_snapshot(key(n), snapshot);
        "EventStore::truncate_before": |w, n| => w.events.truncate_before(key(n), 2);
    }
}

/// A loader that takes a few polls.
async fn slow() -> Result<u64, Error> {
    yield_now().await;
    yield_now().await;
    Ok(1)
}

fn companions() -> Vec<Method> {
    let typed = methods! {
        "TypedState::load": |w, n| => w.typed.load(key(n));
        "TypedState::load_many": |w, n| => w.typed.load_many(&[key(n), key(n + 1)]);
        "TypedState::save": |w, n| => w.typed.save(key(n), &1, SaveOptions::new());
        "TypedState::delete": |w, n| => w.typed.delete(key(n), DeleteOptions::new());
        "TypedState::list": |w, n| => w.typed.list(ListQuery::all());
        "TypedState::update": |w, n| => w.typed.update(key(n), |n| n.unwrap_or(0) + 1);
        "TypedState::try_update": |w, n| after {
            let next = |n: Option<u64>| Ok::<_, Error>(n.unwrap_or(0) + 1);
        } => w.typed.try_update(key(n), UpdateOptions::new(), next);
        "TypedState::update_with": |w, n| after {
            let next = |n: Option<u64>| Ok::<_, Error>(n.map_or(Next::Save(1), |_| Next::Delete));
        } => w.typed.update_with(key(n), UpdateOptions::new(), next);
    };
    let cached = methods! {
        "TypedCache::get": |w, n| => w.cached.get(key(n));
        "TypedCache::get_many": |w, n| => w.cached.get_many(&[key(n), key(n + 1)]);
        "TypedCache::set": |w, n| => w.cached.set(key(n), &1);
        "TypedCache::remove": |w, n| => w.cached.remove(key(n));
        "TypedCache::clear": |w, n| => w.cached.clear();
        "TypedCache::contains": |w, n| => w.cached.contains(key(n));
        "TypedCache::get_or_load": |w, n| after { drop(w.cached.remove(key(n)).await); } => w.cached.get_or_load(key(n), slow());
    };
    let locks = methods! {
        "Locks::try_acquire": |w, n| => w.locks.try_acquire(key(n), options());
        "Locks::acquire": |w, n| after { w.occupied(n).await; } => w.locks.acquire(key(n), options());
        "Locks::run": |w, n| after { w.occupied(n).await; } => w.locks.run(key(n), options(), |_| slow());
        "Locks::run_or_skip": |w, n| => w.locks.run_or_skip(key(n), options(), |_| slow());
        "LockGuard::run": |w, n| after { let guard = w.guard(n).await; } => guard.run(slow());
        "LockGuard::release": |w, n| after { let guard = w.guard(n).await; } => guard.release();
        "LockGuard::lost" endless: |w, n| after { let guard = w.guard(n).await; } => guard.lost();
    };
    let events = methods! {
        "Repository::load": |w, n| => w.repository.load(key(n));
        "Repository::execute": |w, n| => w.repository.execute(key(n), |_| Ok::<_, Error>(vec![Counted]));
        "Repository::execute_fenced": |w, n| after {
            let token = FencingToken(1);
        } => w.repository.execute_fenced(key(n), token, |_| Ok::<_, Error>(vec![Counted]));
        // What came meanwhile, `CaughtUp`, and a wait.
        "Subscription::next": |w, n| after {
            let mut subscription = Subscription::new(Arc::clone(&w.events), w.appended(n).await);
        } => async {
            while subscription.next().await.is_ok_and(|delivery| !matches!(delivery, Delivery::CaughtUp)) {}
            subscription.next().await
        };
        "Projector::run" endless: |w, n| => w.projector.run();
        "Projector::catch_up": |w, n| => w.projector.catch_up();
        "Projector::rebuild": |w, n| => w.projector.rebuild();
        "Projector::checkpoint": |w, n| => w.projector.checkpoint();
        "Projector::row": |w, n| => w.projector.row::<u64>(key(n));
    };
    typed.into_iter().chain(cached).chain(locks).chain(events).collect()
}
