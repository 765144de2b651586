//! `commit`: several keys in one step.

use concurrency_core::{
    Bytes, DeleteOptions, Error, Precondition, Save, StateStore, Version, Write, clock::BootInstant,
};

use super::{
    bulk::LARGEST_SUM,
    fixture::{
        Cx, HOUR, PLAIN, assert_conflict, assert_expires_in, assert_holds, assert_missing, assert_permanent, fenced,
        has_lifetimes, put, put_with, refused, shown, version_of,
    },
};

const DELETE: DeleteOptions = DeleteOptions::new();

async fn commit(store: &dyn StateStore, writes: Vec<Write>) -> Version {
    let text = format!("{writes:?}");
    store.commit(writes).await.unwrap_or_else(|e| panic!("{e} for {text}"))
}

pub(super) async fn a_commit_applies_all_its_writes(cx: Cx) {
    let store = cx.open().await;
    let (old, gone) = (put(&*store, "old", "old").await, put(&*store, "gone", "v").await);
    put(&*store, "beside", "v").await;
    let writes = vec![
        Write::save("new", "new", PLAIN.if_absent()),
        Write::delete("gone", DELETE.if_version(gone)),
        Write::save("old", "changed", PLAIN.if_version(old)),
        Write::delete("missing", DELETE),
        Write::check("beside", Precondition::Present),
    ];
    let version = commit(&*store, writes).await;
    assert_holds(&*store, "new", "new", Some(version), "created by a commit").await;
    assert_holds(&*store, "old", "changed", Some(version), "changed by a commit").await;
    assert_missing(&*store, "gone", "deleted by a commit").await;
    assert_missing(&*store, "missing", "deleted by a commit").await;
    assert_holds(&*store, "beside", "v", None, "checked by a commit").await;
}

/// The refused write stands at each place among five.
pub(super) async fn a_commit_applies_none_if_one_fails(cx: Cx) {
    let store = cx.open().await;
    let old = put(&*store, "old", "old").await;
    let kept = put(&*store, "kept", "kept").await;
    let refusals = [
        Write::save("old", "v", PLAIN.if_absent()),
        Write::save("missing", "v", PLAIN.if_present()),
        Write::save("old", "v", PLAIN.if_version(Version::mint())),
        Write::delete("missing", DELETE.if_present()),
        Write::delete("old", DELETE.if_version(Version::mint())),
        Write::check("old", Precondition::Absent),
    ];
    for refusal in refusals {
        for place in 0..5 {
            let mut writes = vec![
                Write::save("a", "v", PLAIN),
                Write::save("b", "v", PLAIN.if_absent()),
                Write::delete("kept", DELETE.if_version(kept)),
                Write::delete("c", DELETE),
            ];
            let when = format!("{refusal:?} at place {place}");
            writes.insert(place, refusal.clone());
            let key = refusal.key().to_owned();
            let found = version_of(&*store, &key).await;
            assert_conflict(store.commit(writes).await, &key, found, &when);
            for key in ["a", "b", "missing"] {
                assert_missing(&*store, key, &when).await;
            }
            assert_holds(&*store, "old", "old", Some(old), &when).await;
            assert_holds(&*store, "kept", "kept", Some(kept), &when).await;
        }
    }
}

pub(super) async fn a_commit_gives_one_version_to_all(cx: Cx) {
    let store = cx.open().await;
    let mut before = Vec::new();
    for _ in 0..10 {
        let version = commit(&*store, ["a", "b", "c"].map(|key| Write::save(key, "v", PLAIN)).into()).await;
        for key in ["a", "b", "c"] {
            assert_eq!(version_of(&*store, key).await, Some(version), "the version of {key:?}");
        }
        let many = store.load_many(&["a", "b", "c"]).await.expect("load_many");
        assert!(many.iter().flatten().all(|state| state.version == version), "{many:?} after a commit as {version}");
        assert!(!before.contains(&version), "{version} was used before");
        before.push(version);
    }
}

pub(super) async fn the_version_of_a_commit_is_good_for_the_next(cx: Cx) {
    let store = cx.open().await;
    let version = commit(&*store, vec![Write::save("a", "1", PLAIN), Write::save("b", "1", PLAIN)]).await;
    put_with(&*store, "a", "2", PLAIN.if_version(version)).await;
    let writes =
        vec![Write::save("a", "3", PLAIN.if_version(version)), Write::save("b", "3", PLAIN.if_version(version))];
    assert_conflict(store.commit(writes).await, "a", version_of(&*store, "a").await, "a changed since");
    let next = commit(&*store, vec![Write::save("b", "3", PLAIN.if_version(version))]).await;
    assert_holds(&*store, "b", "3", Some(next), "b did not").await;
}

pub(super) async fn a_check_leaves_its_key_alone(cx: Cx) {
    let store = cx.open().await;
    let (permanent, saved) = (put(&*store, "permanent", "v").await, BootInstant::now());
    let options = if has_lifetimes(&*store) { PLAIN.with_ttl(HOUR) } else { PLAIN };
    let mortal = put_with(&*store, "mortal", "v", options).await;
    for preconditions in [
        [Precondition::Any, Precondition::Any, Precondition::Any],
        [Precondition::Present, Precondition::Match(mortal), Precondition::Absent],
        [Precondition::Match(permanent), Precondition::Present, Precondition::Absent],
    ] {
        let [a, b, c] = preconditions;
        let mut writes = vec![Write::check("permanent", a), Write::check("mortal", b), Write::check("missing", c)];
        commit(&*store, writes.clone()).await;
        writes.push(Write::save("written", "v", PLAIN));
        commit(&*store, writes).await;
        assert_holds(&*store, "permanent", "v", Some(permanent), "after a Check").await;
        assert_permanent(&*store, "permanent", "after a Check").await;
        assert_holds(&*store, "mortal", "v", Some(mortal), "after a Check").await;
        assert_missing(&*store, "missing", "after a Check").await;
        if has_lifetimes(&*store) {
            assert_expires_in(&*store, "mortal", HOUR, saved, "after a Check").await;
        }
    }
}

pub(super) async fn a_failed_check_refuses_the_commit(cx: Cx) {
    let store = cx.open().await;
    let stale = put(&*store, "k", "old").await;
    let current = put(&*store, "k", "current").await;
    let checks = [
        ("k", Precondition::Absent, Some(current)),
        ("k", Precondition::Match(stale), Some(current)),
        ("k", Precondition::Match(Version::mint()), Some(current)),
        ("missing", Precondition::Present, None),
        ("missing", Precondition::Match(current), None),
    ];
    for (key, precondition, found) in checks {
        let when = format!("Check {precondition:?} of {key:?}");
        let writes = vec![Write::save("written", "v", PLAIN), Write::check(key, precondition)];
        assert_conflict(store.commit(writes).await, key, found, &when);
        assert_conflict(store.commit(vec![Write::check(key, precondition)]).await, key, found, &when);
        assert_missing(&*store, "written", &when).await;
    }
    assert_holds(&*store, "k", "current", Some(current), "after the refusals").await;
}

/// Keys in rising, falling and mixed order, with one to three of them in the way.
pub(super) async fn a_refused_commit_names_the_first_failed_key(cx: Cx) {
    let store = cx.open().await;
    for key in ["b", "d", "f"] {
        put(&*store, key, "in the way").await;
    }
    for order in [["a", "b", "c", "d", "e", "f"], ["f", "e", "d", "c", "b", "a"], ["e", "d", "a", "f", "c", "b"]] {
        let first = order.into_iter().find(|key| ["b", "d", "f"].contains(key)).expect("three are in the way");
        let found = version_of(&*store, first).await;
        let saves = order.map(|key| Write::save(key, "v", PLAIN.if_absent()));
        assert_conflict(store.commit(saves.into()).await, first, found, &format!("saves of {order:?}"));
        let checks = order.map(|key| Write::check(key, Precondition::Absent));
        assert_conflict(store.commit(checks.into()).await, first, found, &format!("checks of {order:?}"));
        let missing = order.into_iter().find(|key| ["a", "c", "e"].contains(key)).expect("three are missing");
        let deletes = order.map(|key| Write::delete(key, DELETE.if_present()));
        assert_conflict(store.commit(deletes.into()).await, missing, None, &format!("deletes of {order:?}"));
        let mixed = order.map(|key| match key {
            "a" | "d" => Write::check(key, Precondition::Absent),
            "b" | "e" => Write::save(key, "v", PLAIN.if_absent()),
            _ => Write::save(key, "v", PLAIN.when(Precondition::Match(Version::from_bytes([7; 16])))),
        });
        // Of `c` and `f` under a version that nothing has, and `b` and `d` that are there, the first in request order.
        let first = order.into_iter().find(|key| ["b", "c", "d", "f"].contains(key)).expect("four fail");
        assert_conflict(
            store.commit(mixed.into()).await,
            first,
            version_of(&*store, first).await,
            &format!("{order:?}"),
        );
    }
}

pub(super) async fn a_refused_commit_names_the_first_failed_key_among_fences(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "fenced", "v", fenced(7)).await;
    let taken = put(&*store, "taken", "v").await;
    let late = || Write::save("fenced", "w", fenced(6));
    let refused = || Write::save("taken", "w", PLAIN.if_absent());
    assert_conflict(store.commit(vec![refused(), late()]).await, "taken", Some(taken), "conflict, then fence");
    refused!(
        store.commit(vec![late(), refused()]).await,
        Error::Fenced { key, .. } if &*key == "fenced",
        "fence, then conflict"
    );
    let both = Write::save("fenced", "w", fenced(6).if_absent());
    refused!(store.commit(vec![both, refused()]).await, Error::Fenced { .. }, "both on one key");
}

pub(super) async fn a_repeated_key_refuses_a_commit(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    let writes = || [Write::save("k", "new", PLAIN), Write::delete("k", DELETE), Write::check("k", Precondition::Any)];
    for first in writes() {
        for second in writes() {
            let when = format!("{first:?} and {second:?}");
            let twice = vec![first.clone(), Write::save("beside", "v", PLAIN), second];
            refused!(store.commit(twice).await, Error::InvalidArgument { .. }, "{when}");
            assert_holds(&*store, "k", "old", Some(version), &when).await;
            assert_missing(&*store, "beside", &when).await;
        }
    }
}

pub(super) async fn a_commit_of_nothing_is_refused(cx: Cx) {
    let store = cx.open().await;
    refused!(store.commit(Vec::new()).await, Error::InvalidArgument { .. }, "no writes");
    let absent = vec![Write::save("k", "v", PLAIN), Write::delete("missing", DELETE.when(Precondition::Absent))];
    refused!(store.commit(absent).await, Error::InvalidArgument { .. }, "a delete under Absent");
    assert_missing(&*store, "k", "after the refusal").await;
}

pub(super) async fn a_commit_sets_lifetimes_as_a_save_does(cx: Cx) {
    let store = cx.open().await;
    let saved = BootInstant::now();
    for key in ["kept", "cleared", "replaced"] {
        put_with(&*store, key, "old", PLAIN.with_ttl(HOUR)).await;
    }
    let writes = vec![
        Write::save("kept", "new", PLAIN.keep_ttl()),
        Write::save("cleared", "new", PLAIN),
        Write::save("replaced", "new", PLAIN.with_ttl(HOUR * 2)),
        Write::save("new", "new", PLAIN.with_ttl(HOUR * 3)),
        Write::save("permanent", "new", PLAIN.keep_ttl()),
    ];
    commit(&*store, writes).await;
    assert_expires_in(&*store, "kept", HOUR, saved, "keep_ttl in a commit").await;
    assert_permanent(&*store, "cleared", "no TTL in a commit").await;
    assert_expires_in(&*store, "replaced", HOUR * 2, saved, "a TTL in a commit").await;
    assert_expires_in(&*store, "new", HOUR * 3, saved, "a TTL in a commit").await;
    assert_permanent(&*store, "permanent", "keep_ttl of nothing in a commit").await;
}

pub(super) async fn too_large_a_commit_is_refused(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_batch_keys;
    let keys = || (0..=limit).map(|i| format!("k{i}"));
    let batches: [Vec<Write>; 3] = [
        keys().map(|key| Write::save(key, "v", PLAIN)).collect(),
        keys().map(|key| Write::check(key, Precondition::Any)).collect(),
        keys().map(|key| Write::delete(key, DELETE)).collect(),
    ];
    put(&*store, "k1", "old").await;
    for batch in batches {
        refused!(store.commit(batch).await, Error::InvalidArgument { .. }, "{} keys", limit + 1);
    }
    assert_missing(&*store, "k0", "after the refusals").await;
    assert_holds(&*store, "k1", "old", None, "after the refusals").await;
    let fits = keys().take(limit).map(|key| Write::save(key, "v", PLAIN)).collect();
    let answer = store.commit(fits).await;
    assert!(answer.is_ok(), "{limit} keys: {}", shown(&answer));
}

pub(super) async fn too_many_bytes_in_a_commit_are_refused(cx: Cx) {
    let store = cx.open().await;
    let capabilities = store.capabilities();
    assert!(capabilities.max_batch_bytes <= LARGEST_SUM, "the condition of this case");
    let each = Bytes::from(vec![0; capabilities.max_value.min(capabilities.max_batch_bytes / 2 + 1)]);
    let count = capabilities.max_batch_bytes / each.len() + 1;
    let writes = (0..count).map(|i| Write::Save(Save::new(format!("k{i}"), each.clone(), PLAIN))).collect();
    refused!(store.commit(writes).await, Error::InvalidArgument { .. }, "{count} values of {} bytes", each.len());
    assert_missing(&*store, "k0", "after the refusal").await;
}

pub(super) async fn an_undeclared_commit_is_unsupported(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    let writes = vec![Write::save("k", "new", PLAIN), Write::save("l", "new", PLAIN)];
    refused!(store.commit(writes).await, Error::Unsupported { .. }, "commit");
    assert_holds(&*store, "k", "old", Some(version), "after the refusal").await;
    assert_missing(&*store, "l", "after the refusal").await;
}
