use concurrency_conformance::{
    history::{Answer, History, Operation},
    linear::{LockAnswer as A, LockCall as C, LockModel, check, sample},
};

use crate::{Corruption, Victim, all_accepted, all_rejected};

type V<'a> = Victim<'a, LockModel>;

const STRANGER: u64 = 1_000_000;
/// The samples' TTL.
const TTL: u64 = 100_000_000;
const MARGIN: u64 = 11_000_000;

#[test]
fn good_histories_are_accepted() {
    all_accepted(sample::lock);
}

#[test]
fn five_hundred_corrupted_histories_are_rejected() {
    let corruptions: &[(&str, Corruption<LockModel>)] = &[
        ("two winners", two_winners),
        ("token repeated", token_repeated),
        ("token lower", token_lower),
        ("released twice", released_twice),
        ("renewed after the release", renewed_after_release),
        ("renewed after the expiry", renewed_after_expiry),
        ("released after the expiry", released_after_expiry),
        ("held though free", held_though_free),
        ("answered before its call", |v| v.answered_before_its_call()),
        ("renewed before the grant", renewed_before_grant),
        ("an old token shown", old_token_shown),
        ("nobody shown", nobody_shown),
        ("released by a stranger", released_by_stranger),
        ("renewed under a forged token", renewed_under_forged_token),
        ("lost though held", lost_though_held),
        ("not held though held", not_held_though_held),
    ];
    all_rejected(sample::lock, corruptions);
}

/// An attempt that took long may have been granted after all that others did meanwhile, and is given back behind its answer.
#[test]
fn a_grant_that_came_too_late_may_be_seen_until_it_is_given_back() {
    const MILLI: u64 = 1_000_000;
    let attempt = |owner| C::TryAcquire { owner, ttl: TTL, slack: 0 };
    let late = |called: u64| {
        let granted = A::Granted { owner: 2, token: 5, deadline: 169 * MILLI };
        let calls = [
            (1, called, 141, attempt(1), A::Held),
            (2, 80, 90, attempt(2), granted),
            (2, 91, 95, C::Release { owner: 2, token: Some(5) }, A::Ours),
            (3, 150, 151, C::Holder, A::Holder { token: Some(6) }),
        ];
        let operation = |(client, called, answered, call, answer)| Operation {
            client,
            key: "k".into(),
            invoked: called * MILLI,
            returned: Some(answered * MILLI),
            call,
            answer: Answer::Ok(answer),
        };
        check(&History::<LockModel> { operations: calls.map(operation).into() })
    };
    assert!(late(1).is_ok(), "{:?}", late(1));
    // After 81 ms of 100 its answer would have come in time, and been a grant.
    assert!(late(60).is_err(), "{:?}", late(60));
}

struct Grant {
    index: usize,
    owner: u64,
    token: u64,
    deadline: u64,
}

fn granted(v: &V<'_>, index: usize) -> Option<Grant> {
    match v.ok(index) {
        Some(&A::Granted { owner, token, deadline }) => Some(Grant { index, owner, token, deadline }),
        _ => None,
    }
}

fn owner_of(call: &C) -> Option<u64> {
    match *call {
        C::TryAcquire { owner, .. } | C::Acquire { owner, .. } | C::Renew { owner, .. } | C::Release { owner, .. } => {
            Some(owner)
        }
        C::Holder => None,
    }
}

/// A grant that is certain to stand for some time after its answer: that time's first instant.
fn standing(v: &mut V<'_>) -> Option<(Grant, Box<str>, u64)> {
    let index = v.pick(|v, i| {
        let Some(grant) = granted(v, i) else { return false };
        let released = |op: &C| matches!(op, C::Release { owner, .. } if *owner == grant.owner);
        let end = v.operations.iter().filter(|op| released(&op.call)).map(|op| op.invoked).min().unwrap_or(u64::MAX);
        v.returned(i) + 10 < end.min(grant.deadline)
    })?;
    let grant = granted(v, index)?;
    Some((grant, v.key(index), v.returned(index) + 1))
}

/// A release that was answered "ours": the grant's owner never asks again.
fn released(v: &mut V<'_>) -> Option<(u64, u64, Box<str>, u64)> {
    let index = v.pick(|v, i| v.ok(i) == Some(&A::Ours))?;
    let C::Release { owner, token: Some(token) } = v.operations[index].call else { return None };
    Some((owner, token, v.key(index), v.returned(index) + 1))
}

/// A grant that nobody ever asked to renew: the first instant at which it has certainly expired.
fn expired(v: &mut V<'_>) -> Option<(Grant, Box<str>, u64)> {
    let index = v.pick(|v, i| {
        let Some(grant) = granted(v, i) else { return false };
        let renews = |op: &C| matches!(op, C::Renew { owner, .. } if *owner == grant.owner);
        !v.operations.iter().any(|op| renews(&op.call))
    })?;
    Some((granted(v, index)?, v.key(index), v.returned(index) + TTL))
}

/// A second grant while the first certainly stands.
fn two_winners(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = standing(v)?;
    let answer = A::Granted { owner: STRANGER, token: grant.token + 5, deadline: at + TTL - MARGIN };
    v.insert(&key, at, at + 1, C::TryAcquire { owner: STRANGER, ttl: TTL, slack: 0 }, answer);
    Some(())
}

fn later_grant(v: &mut V<'_>) -> Option<(Grant, Grant)> {
    let first = v.pick(|v, i| granted(v, i).is_some())?;
    let second = v.after(first, |v, i| granted(v, i).is_some())?;
    Some((granted(v, first)?, granted(v, second)?))
}

/// A later grant under the token of an earlier one.
fn token_repeated(v: &mut V<'_>) -> Option<()> {
    let (first, second) = later_grant(v)?;
    let (owner, deadline) = (second.owner, second.deadline);
    v.set(second.index, A::Granted { owner, token: first.token, deadline })
}

/// A later grant under a lower token than an earlier one.
fn token_lower(v: &mut V<'_>) -> Option<()> {
    let (first, second) = later_grant(v)?;
    let (owner, deadline) = (second.owner, second.deadline);
    v.set(second.index, A::Granted { owner, token: first.token - 1, deadline })
}

fn released_twice(v: &mut V<'_>) -> Option<()> {
    let (owner, token, key, at) = released(v)?;
    v.insert(&key, at, at + 1, C::Release { owner, token: Some(token) }, A::Ours);
    Some(())
}

fn renew(owner: u64, token: u64, deadline: u64) -> C {
    C::Renew { owner, token, ttl: TTL, slack: 0, deadline }
}

fn renewed_after_release(v: &mut V<'_>) -> Option<()> {
    let (owner, token, key, at) = released(v)?;
    v.insert(&key, at, at + 1, renew(owner, token, at + 50), A::Renewed { deadline: at + TTL - MARGIN });
    Some(())
}

fn renewed_after_expiry(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = expired(v)?;
    let call = renew(grant.owner, grant.token, grant.deadline);
    v.insert(&key, at, at + 1, call, A::Renewed { deadline: at + TTL - MARGIN });
    Some(())
}

fn released_after_expiry(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = expired(v)?;
    v.insert(&key, at, at + 1, C::Release { owner: grant.owner, token: Some(grant.token) }, A::Ours);
    Some(())
}

/// A refusal after a release, with nobody else asking from the release's call on.
fn held_though_free(v: &mut V<'_>) -> Option<()> {
    let asks = |op: &C| matches!(op, C::TryAcquire { .. } | C::Acquire { .. });
    let index = v.pick(|v, i| {
        let (key, from) = (v.key(i), v.operations[i].invoked);
        v.ok(i) == Some(&A::Ours) && !v.any_between(&key, from, v.returned(i) + 2, |op| asks(&op.call))
    })?;
    let (key, at) = (v.key(index), v.returned(index) + 1);
    v.insert(&key, at, at + 1, C::TryAcquire { owner: STRANGER, ttl: TTL, slack: 0 }, A::Held);
    Some(())
}

/// A renewal that was over before its lease was asked for.
fn renewed_before_grant(v: &mut V<'_>) -> Option<()> {
    let renewal = v.pick(|v, i| matches!(v.ok(i), Some(A::Renewed { .. })))?;
    let owner = owner_of(&v.operations[renewal].call);
    let grant = v.pick(|v, i| granted(v, i).is_some_and(|grant| Some(grant.owner) == owner))?;
    v.move_before(renewal, grant)
}

fn old_token_shown(v: &mut V<'_>) -> Option<()> {
    let (_, token, key, at) = released(v)?;
    v.insert(&key, at, at + 1, C::Holder, A::Holder { token: Some(token) });
    Some(())
}

fn nobody_shown(v: &mut V<'_>) -> Option<()> {
    let (_, key, at) = standing(v)?;
    v.insert(&key, at, at + 1, C::Holder, A::Holder { token: None });
    Some(())
}

/// The name is released by somebody who was never granted it.
fn released_by_stranger(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = standing(v)?;
    v.insert(&key, at, at + 1, C::Release { owner: STRANGER, token: Some(grant.token) }, A::Ours);
    Some(())
}

fn renewed_under_forged_token(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = standing(v)?;
    let call = renew(grant.owner, grant.token + 1, grant.deadline);
    v.insert(&key, at, at + 1, call, A::Renewed { deadline: at + TTL - MARGIN });
    Some(())
}

/// A renewal in good time is answered with the loss of a lease that certainly stands.
fn lost_though_held(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = standing(v)?;
    v.insert(&key, at, at + 1, renew(grant.owner, grant.token, grant.deadline), A::Lost);
    Some(())
}

fn not_held_though_held(v: &mut V<'_>) -> Option<()> {
    let (grant, key, at) = standing(v)?;
    v.insert(&key, at, at + 1, C::Release { owner: grant.owner, token: Some(grant.token) }, A::NotHeld);
    Some(())
}
