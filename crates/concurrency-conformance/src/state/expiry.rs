//! Lifetimes.

use std::time::Duration;

use concurrency_core::{
    DeleteOptions, Error, Precondition, Save, SaveOptions, StateStore, Ttl, Write, clock::BootInstant,
};

use super::fixture::{
    Cx, HOUR, PLAIN, assert_conflict, assert_expires_in, assert_holds, assert_missing, assert_permanent, fenced,
    keys_of, outlive, put, put_expired, put_with, refused, short_ttl,
};

/// Lifetimes that no backend takes.
fn impossible() -> [Duration; 4] {
    [Duration::ZERO, Ttl::MAX + Duration::from_nanos(1), Ttl::MAX * 2, Duration::MAX]
}

pub(super) async fn an_impossible_lifetime_is_refused(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    for ttl in impossible() {
        let options = PLAIN.with_ttl(ttl);
        refused!(store.save("k", "new".into(), options).await, Error::InvalidArgument { .. }, "a TTL of {ttl:?}");
        refused!(store.save("new", "v".into(), options).await, Error::InvalidArgument { .. }, "a TTL of {ttl:?}");
        let answers = store.save_many(vec![Save::new("new", "v", options), Save::new("good", "v", PLAIN)]).await;
        refused!(&answers[0], Error::InvalidArgument { .. }, "an entry with a TTL of {ttl:?}");
        assert!(answers[1].is_ok(), "beside an entry with a TTL of {ttl:?}");
    }
    assert_holds(&*store, "k", "old", Some(version), "after the refusals").await;
    assert_missing(&*store, "new", "after the refusals").await;
}

pub(super) async fn an_impossible_lifetime_refuses_a_whole_commit(cx: Cx) {
    let store = cx.open().await;
    for ttl in impossible() {
        let writes = vec![Write::save("a", "v", PLAIN), Write::save("b", "v", PLAIN.with_ttl(ttl))];
        refused!(store.commit(writes).await, Error::InvalidArgument { .. }, "a commit with a TTL of {ttl:?}");
        assert_missing(&*store, "a", "after a refused commit").await;
    }
}

pub(super) async fn a_lifetime_beyond_the_longest_is_refused(cx: Cx) {
    let store = cx.open().await;
    let longest = store.capabilities().max_ttl.expect("the condition of this case");
    let ttl = (longest + Duration::from_millis(1)).min(Ttl::MAX);
    no_lifetime(&*store, ttl, |error| matches!(error, Error::InvalidArgument { .. })).await;
}

pub(super) async fn an_undeclared_lifetime_is_unsupported(cx: Cx) {
    let store = cx.open().await;
    for ttl in [Duration::from_nanos(1), HOUR, Ttl::MAX] {
        no_lifetime(&*store, ttl, |error| matches!(error, Error::Unsupported { .. })).await;
    }
}

/// Every write with this lifetime is refused, and changes nothing.
async fn no_lifetime(store: &dyn StateStore, ttl: Duration, wanted: fn(&Error) -> bool) {
    let version = put(store, "k", "old").await;
    let options = PLAIN.with_ttl(ttl);
    for key in ["k", "new"] {
        let answer = store.save(key, "new".into(), options).await;
        assert!(answer.as_ref().is_err_and(wanted), "a save for {ttl:?}: {answer:?}");
        let answers = store.save_many(vec![Save::new(key, "new", options), Save::new("good", "v", PLAIN)]).await;
        assert!(answers[0].as_ref().is_err_and(wanted), "an entry for {ttl:?}: {answers:?}");
        assert!(answers[1].is_ok(), "beside an entry for {ttl:?}: {answers:?}");
        if store.capabilities().commit {
            let writes = vec![Write::save("new", "v", PLAIN), Write::save("k", "new", options)];
            let answer = store.commit(writes).await;
            assert!(answer.as_ref().is_err_and(wanted), "a commit for {ttl:?}: {answer:?}");
        }
    }
    assert_holds(store, "k", "old", Some(version), "after the refusals").await;
    assert_missing(store, "new", "after the refusals").await;
}

pub(super) async fn all_possible_lifetimes_are_kept(cx: Cx) {
    let store = cx.open().await;
    let longest = store.capabilities().max_ttl.expect("the condition of this case");
    let day = Duration::from_secs(86_400);
    // 30 days and 2^31 s are where servers begin to take a lifetime for a date, 2^32 ms is where a counter overflows.
    let lifetimes = [HOUR, 30 * day, 31 * day, 50 * day, 365 * day, Duration::from_secs(1 << 31), Ttl::MAX, longest];
    for ttl in lifetimes.into_iter().filter(|ttl| *ttl <= longest) {
        let saved = BootInstant::now();
        let version = put_with(&*store, "k", "v", PLAIN.with_ttl(ttl)).await;
        assert_expires_in(&*store, "k", ttl, saved, "just saved").await;
        assert_holds(&*store, "k", "v", Some(version), &format!("saved for {ttl:?}")).await;
    }
}

pub(super) async fn what_a_coarse_clock_makes_of_lifetimes_is_declared(cx: Cx) {
    let store = cx.open().await;
    let capabilities = store.capabilities();
    let (granularity, longest) =
        (capabilities.ttl_granularity, capabilities.max_ttl.expect("the condition of this case"));
    assert!(granularity > Duration::ZERO && granularity <= longest, "{granularity:?} within {longest:?}");
    assert!(longest <= Ttl::MAX, "{longest:?} is more than a caller may ask for");
    for mut ttl in [granularity * 7 + Duration::from_nanos(1), granularity * 20 - Duration::from_nanos(1)] {
        let (left, passed) = loop {
            let saved = BootInstant::now();
            put_with(&*store, "k", "v", PLAIN.with_ttl(ttl)).await;
            let loaded = store.load("k").await.expect("load");
            let passed = BootInstant::now().since(saved);
            if let Some(loaded) = loaded {
                break (loaded.expires_in.expect("it expires"), passed);
            }
            // On a busy machine the two calls may take longer than a lifetime of a few milliseconds.
            assert!(passed >= ttl, "{ttl:?} are over after {passed:?}");
            ttl += granularity * 50;
        };
        assert!(left + passed >= ttl, "{left:?} left of {ttl:?} after {passed:?}: it would expire early");
        assert!(left <= ttl + 2 * granularity, "{left:?} left of {ttl:?}: more than rounding and resolution");
    }
}

/// Watches a value from its save to its end: not early, not late.
async fn watch(cx: &Cx, store: &dyn StateStore, key: &str, ttl: Duration) {
    let granularity = store.capabilities().ttl_granularity;
    let before = BootInstant::now();
    put_with(store, key, "v", PLAIN.with_ttl(ttl)).await;
    let after = BootInstant::now();
    let rounded = granularity * u32::try_from(ttl.as_nanos().div_ceil(granularity.as_nanos())).expect("a short one");
    let latest = rounded + granularity;
    loop {
        let asked = BootInstant::now();
        let alive = store.load(key).await.expect("load").is_some();
        let answered = BootInstant::now();
        if alive {
            let age = asked.since(after);
            assert!(age < latest, "a lifetime of {ttl:?} lasts {age:?}");
        } else {
            // A server counts whole milliseconds; under virtual time no call takes any time, and nothing is rounded.
            let rounding = if before == after { Duration::ZERO } else { Duration::from_millis(1) };
            let age = answered.since(before) + rounding;
            assert!(age >= ttl, "a lifetime of {ttl:?} ends after {age:?}");
            return;
        }
        let left = ttl.saturating_sub(BootInstant::now().since(before));
        cx.sleep((left / 2).clamp(Duration::from_millis(1), Duration::from_millis(100).max(ttl / 16))).await;
    }
}

pub(super) async fn nothing_expires_early(cx: Cx) {
    let store = cx.open().await;
    for millis in [50, 137, 500, 1000] {
        watch(&cx, &*store, "k", Duration::from_millis(millis)).await;
    }
}

pub(super) async fn nothing_outlives_its_lifetime(cx: Cx) {
    let store = cx.open().await;
    let granularity = store.capabilities().ttl_granularity;
    for ttl in [granularity, granularity * 2, short_ttl(&*store)] {
        watch(&cx, &*store, "k", ttl).await;
        cx.sleep(granularity).await;
        assert_missing(&*store, "k", "a while after its end").await;
    }
}

pub(super) async fn below_a_millisecond_is_a_millisecond(cx: Cx) {
    let store = cx.open().await;
    let granularity = store.capabilities().ttl_granularity;
    for nanos in [1, 1000, 999_999] {
        put_with(&*store, "k", "v", PLAIN.with_ttl(Duration::from_nanos(nanos))).await;
        let state = store.load("k").await.expect("load");
        if let Some(left) = state.and_then(|state| state.expires_in) {
            assert!(left <= Duration::from_millis(1).max(granularity) + granularity, "{left:?} of {nanos} ns");
        }
        cx.sleep(Duration::from_millis(1).max(granularity) + granularity).await;
        assert_missing(&*store, "k", "after its millisecond").await;
    }
}

/// Where no call takes any time the deadline can be met exactly; elsewhere this shows that it ends.
pub(super) async fn at_the_deadline_it_is_expired(cx: Cx) {
    let store = cx.open().await;
    let (ttl, before) = (short_ttl(&*store), BootInstant::now());
    let version = put_with(&*store, "k", "v", PLAIN.with_ttl(ttl)).await;
    if BootInstant::now() == before {
        cx.sleep(ttl - Duration::from_millis(1)).await;
        assert_holds(&*store, "k", "v", Some(version), "a millisecond before its deadline").await;
        cx.sleep(Duration::from_millis(1)).await;
        assert_eq!(BootInstant::now().since(before), ttl, "virtual time stands at the deadline");
    } else {
        outlive(&cx, &*store, ttl).await;
    }
    assert_missing(&*store, "k", "at its deadline").await;
    put_with(&*store, "k", "next", PLAIN.if_absent()).await;
}

pub(super) async fn an_expired_key_is_missing_to_every_method(cx: Cx) {
    let store = cx.open().await;
    let stale = put_expired(&cx, &*store, "k").await;
    put(&*store, "live", "v").await;
    assert_missing(&*store, "k", "expired").await;
    let many = store.load_many(&["k", "live"]).await.expect("load_many");
    assert!(many[0].is_none() && many[1].is_some(), "load_many of an expired and a live key: {many:?}");
    assert_conflict(store.save("k", "v".into(), PLAIN.if_present()).await, "k", None, "Present");
    assert_conflict(store.save("k", "v".into(), PLAIN.if_version(stale)).await, "k", None, "Match");
    let delete = DeleteOptions::new();
    assert_conflict(store.delete("k", delete.if_present()).await, "k", None, "a delete under Present");
    assert!(!store.delete("k", delete).await.expect("delete"), "an expired value did not exist");
    put_with(&*store, "k", "v", PLAIN.if_absent()).await;
}

pub(super) async fn an_expired_key_is_not_listed(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "a", "v").await;
    put(&*store, "c", "v").await;
    put_expired(&cx, &*store, "b").await;
    // Before anything else is written, so that nothing was swept.
    assert_eq!(keys_of(&*store, "").await, ["a", "c"]);
    put(&*store, "b", "v").await;
    assert_eq!(keys_of(&*store, "").await, ["a", "b", "c"], "after it was saved again");
}

pub(super) async fn an_expired_key_is_missing_to_a_commit(cx: Cx) {
    let store = cx.open().await;
    let stale = put_expired(&cx, &*store, "k").await;
    for precondition in [Precondition::Present, Precondition::Match(stale)] {
        let writes = vec![Write::save("other", "v", PLAIN), Write::check("k", precondition)];
        assert_conflict(store.commit(writes).await, "k", None, "a Check of an expired key");
        let writes = vec![Write::save("k", "v", PLAIN.when(precondition))];
        assert_conflict(store.commit(writes).await, "k", None, "a save over an expired key");
    }
    let writes = vec![Write::check("k", Precondition::Absent), Write::save("other", "v", PLAIN)];
    store.commit(writes).await.unwrap_or_else(|e| panic!("a Check that an expired key is absent: {e}"));
}

pub(super) async fn a_plain_save_makes_permanent(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store);
    let version = put_with(&*store, "k", "old", PLAIN.with_ttl(ttl)).await;
    put_with(&*store, "k", "new", PLAIN.if_version(version)).await;
    put_with(&*store, "any", "old", PLAIN.with_ttl(ttl)).await;
    put(&*store, "any", "new").await;
    put_with(&*store, "many", "old", PLAIN.with_ttl(ttl)).await;
    assert!(store.save_many(vec![Save::new("many", "new", PLAIN)]).await.iter().all(Result::is_ok));
    for key in ["k", "any", "many"] {
        assert_permanent(&*store, key, "saved without a TTL").await;
    }
    outlive(&cx, &*store, ttl).await;
    for key in ["k", "any", "many"] {
        assert_holds(&*store, key, "new", None, "after the lifetime of the value that it replaced").await;
    }
}

pub(super) async fn a_new_lifetime_replaces_the_old_one(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store);
    let saved = BootInstant::now();
    put_with(&*store, "longer", "old", PLAIN.with_ttl(ttl)).await;
    put_with(&*store, "longer", "new", PLAIN.with_ttl(HOUR)).await;
    assert_expires_in(&*store, "longer", HOUR, saved, "a longer lifetime").await;
    put_with(&*store, "shorter", "old", PLAIN.with_ttl(HOUR)).await;
    put_with(&*store, "shorter", "new", PLAIN.with_ttl(ttl)).await;
    put(&*store, "mortal", "old").await;
    put_with(&*store, "mortal", "new", PLAIN.with_ttl(ttl)).await;
    outlive(&cx, &*store, ttl).await;
    assert_holds(&*store, "longer", "new", None, "after the first, shorter lifetime").await;
    assert_missing(&*store, "shorter", "after the second, shorter lifetime").await;
    assert_missing(&*store, "mortal", "after the lifetime of what was permanent").await;
}

pub(super) async fn keep_ttl_keeps_what_remains(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store) * 4;
    let saved = BootInstant::now();
    put_with(&*store, "k", "old", PLAIN.with_ttl(ttl)).await;
    cx.sleep(ttl / 4).await;
    let version = put_with(&*store, "k", "new", PLAIN.keep_ttl().if_present()).await;
    assert_expires_in(&*store, "k", ttl, saved, "kept").await;
    let left = store.load("k").await.expect("load").expect("it lives").expires_in.expect("it expires");
    let most = (ttl + store.capabilities().ttl_granularity).saturating_sub(ttl / 4);
    assert!(left <= most, "{left:?} are left, at most {most:?} were: the lifetime began anew");
    cx.sleep(ttl / 4).await;
    put_with(&*store, "k", "newest", PLAIN.keep_ttl().if_version(version)).await;
    assert_expires_in(&*store, "k", ttl, saved, "kept twice").await;
    cx.sleep(ttl / 2 + store.capabilities().ttl_granularity).await;
    assert_missing(&*store, "k", "after the lifetime that was kept").await;
}

pub(super) async fn keep_ttl_of_nothing_is_permanent(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "missing", "v", PLAIN.keep_ttl()).await;
    put(&*store, "permanent", "v").await;
    put_with(&*store, "permanent", "v", PLAIN.keep_ttl()).await;
    put_expired(&cx, &*store, "expired").await;
    put_with(&*store, "expired", "v", PLAIN.keep_ttl()).await;
    put_with(&*store, "deleted", "v", PLAIN.with_ttl(short_ttl(&*store))).await;
    assert!(store.delete("deleted", DeleteOptions::new()).await.is_ok_and(|existed| existed));
    put_with(&*store, "deleted", "v", PLAIN.keep_ttl()).await;
    for key in ["missing", "permanent", "expired", "deleted"] {
        assert_permanent(&*store, key, "saved with keep_ttl over nothing that expires").await;
    }
}

pub(super) async fn a_refused_save_leaves_the_lifetime(cx: Cx) {
    let store = cx.open().await;
    let (ttl, saved) = (short_ttl(&*store) * 100, BootInstant::now());
    put_with(&*store, "k", "v", PLAIN.with_ttl(ttl)).await;
    put(&*store, "permanent", "v").await;
    let refusals: [SaveOptions; 3] = [PLAIN, PLAIN.with_ttl(HOUR * 100), PLAIN.keep_ttl()];
    for options in refusals {
        refused!(store.save("k", "w".into(), options.if_absent()).await, Error::Conflict { .. }, "{options:?}");
        refused!(store.save("permanent", "w".into(), options.if_absent()).await, Error::Conflict { .. }, "{options:?}");
    }
    assert_expires_in(&*store, "k", ttl, saved, "after refused saves").await;
    assert_permanent(&*store, "permanent", "after refused saves").await;
}

pub(super) async fn each_entry_of_a_save_many_has_its_own_lifetime(cx: Cx) {
    let store = cx.open().await;
    let (ttl, saved) = (short_ttl(&*store), BootInstant::now());
    let entries = vec![
        Save::new("short", "v", PLAIN.with_ttl(ttl)),
        Save::new("permanent", "v", PLAIN),
        Save::new("long", "v", PLAIN.with_ttl(HOUR)),
    ];
    assert!(store.save_many(entries).await.iter().all(Result::is_ok));
    assert_permanent(&*store, "permanent", "just saved").await;
    assert_expires_in(&*store, "long", HOUR, saved, "just saved").await;
    outlive(&cx, &*store, ttl).await;
    assert_missing(&*store, "short", "after its lifetime").await;
    assert_holds(&*store, "permanent", "v", None, "after another entry's lifetime").await;
    assert_holds(&*store, "long", "v", None, "after another entry's lifetime").await;
}

/// Two keys of one commit have one deadline, and a call sees it from one side.
pub(super) async fn a_call_judges_expiry_at_one_instant(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store);
    let keys: Vec<String> = (0..20).map(|i| format!("k{i}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let writes = keys.iter().map(|key| Write::save(key, "v", PLAIN.with_ttl(ttl))).collect();
    store.commit(writes).await.expect("commit");
    let saved = BootInstant::now();
    cx.sleep(ttl.saturating_sub(Duration::from_millis(5))).await;
    loop {
        let live = store.load_many(&names).await.expect("load_many").iter().flatten().count();
        assert!(live == 0 || live == names.len(), "one load_many sees {live} of {} equal deadlines ahead", names.len());
        if live == 0 {
            return;
        }
        assert!(BootInstant::now().since(saved) < ttl * 10, "they do not expire");
        cx.sleep(Duration::from_millis(1)).await;
    }
}

/// Enough expired values, and enough writes after them, for any sweeper to come by.
pub(super) async fn sweeping_changes_no_answer(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store);
    let fencing = store.capabilities().fencing;
    let lasting = put(&*store, "permanent", "v").await;
    let long = put_with(&*store, "long", "v", PLAIN.with_ttl(HOUR)).await;
    for i in 0..100 {
        let options = if fencing { fenced(7) } else { PLAIN };
        put_with(&*store, &format!("k{i}"), "v", options.with_ttl(ttl)).await;
    }
    outlive(&cx, &*store, ttl).await;
    for _ in 0..300 {
        put(&*store, "busy", "v").await;
    }
    assert_holds(&*store, "permanent", "v", Some(lasting), "after a sweep").await;
    assert_holds(&*store, "long", "v", Some(long), "after a sweep").await;
    for key in ["k0", "k50", "k99"] {
        assert_missing(&*store, key, "after its end").await;
        if fencing {
            refused!(store.save(key, "v".into(), fenced(6)).await, Error::Fenced { .. }, "the mark of {key:?}");
        }
        assert_conflict(store.save(key, "v".into(), PLAIN.if_present()).await, key, None, "Present after its end");
    }
}
