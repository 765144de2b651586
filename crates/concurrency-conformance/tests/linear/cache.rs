use concurrency_conformance::linear::{CacheAnswer as A, CacheCall as C, CacheModel, sample};

use crate::{Corruption, Victim, all_accepted, all_rejected};

type V<'a> = Victim<'a, CacheModel>;

const FORGED: u64 = 1_000_000;

#[test]
fn good_histories_are_accepted() {
    all_accepted(sample::cache);
}

#[test]
fn five_hundred_corrupted_histories_are_rejected() {
    let corruptions: &[(&str, Corruption<CacheModel>)] = &[
        ("stale read", stale_read),
        ("stale hit of a reservation", stale_reserve),
        ("phantom", phantom),
        ("lost write", lost_write),
        ("two tickets", two_tickets),
        ("ticket repeated", ticket_repeated),
        ("filled after a remove", filled_after_remove),
        ("filled after a set", filled_after_set),
        ("filled twice", filled_twice),
        ("filled under a forged ticket", filled_under_forged_ticket),
        ("filled after its hold", filled_after_hold),
        ("refused though reserved", refused_though_reserved),
        ("read before the write", read_before_the_write),
        ("answered before its call", |v| v.answered_before_its_call()),
        ("read after its end", read_after_its_end),
        ("removed what was cleared", removed_what_was_cleared),
        ("loading for nobody", loading_for_nobody),
    ];
    all_rejected(sample::cache, corruptions);
}

/// The value that an operation certainly wrote, and how long it may live.
fn written(v: &V<'_>, index: usize) -> Option<(u64, Option<u64>)> {
    match (&v.operations[index].call, v.ok(index)?) {
        (C::Set { value, lives }, A::Done) | (C::Fill { value, lives, .. }, A::Filled(true)) => Some((*value, *lives)),
        _ => None,
    }
}

/// Certainly ended whatever was there.
fn replaces(v: &V<'_>, index: usize) -> bool {
    matches!(v.ok(index), Some(A::Done | A::Filled(true) | A::Removed { .. }))
}

/// May end a reservation.
fn ends(call: &C) -> bool {
    !matches!(call, C::Get | C::Reserve { .. })
}

/// Written, replaced, read: values are unique.
fn stale(v: &mut V<'_>, reads: impl Fn(&C) -> bool) -> Option<()> {
    let old = v.pick(|v, i| written(v, i).is_some())?;
    let new = v.after(old, replaces)?;
    let read = v.after(new, |v, i| reads(&v.operations[i].call) && v.ok(i).is_some())?;
    let (value, _) = written(v, old)?;
    v.set(read, A::Hit(value))
}

fn stale_read(v: &mut V<'_>) -> Option<()> {
    stale(v, |call| *call == C::Get)
}

fn stale_reserve(v: &mut V<'_>) -> Option<()> {
    stale(v, |call| matches!(call, C::Reserve { .. }))
}

fn phantom(v: &mut V<'_>) -> Option<()> {
    let read = v.pick(|v, i| v.operations[i].call == C::Get && v.ok(i).is_some())?;
    v.set(read, A::Hit(FORGED))
}

fn lost_write(v: &mut V<'_>) -> Option<()> {
    let read = v.pick(|v, i| matches!(v.ok(i), Some(A::Hit(_))))?;
    let Some(&A::Hit(hit)) = v.ok(read) else { return None };
    v.operations.retain(|op| !matches!(op.call, C::Set { value, .. } | C::Fill { value, .. } if value == hit));
    Some(())
}

/// A reservation that certainly stands right after its answer: ticket, key, hold, and that instant.
fn standing(v: &mut V<'_>) -> Option<(u64, Box<str>, u64, u64)> {
    let index = v.pick(|v, i| {
        let (key, from, until) = (v.key(i), v.operations[i].invoked, v.operations[i].returned);
        let Some(until) = until else { return false };
        matches!(v.ok(i), Some(A::Reserved(_))) && !v.any_between(&key, from, until + 10, |op| ends(&op.call))
    })?;
    let Some(&A::Reserved(ticket)) = v.ok(index) else { return None };
    let C::Reserve { hold, .. } = v.operations[index].call else { return None };
    let at = v.returned(index) + 1;
    (at + 10 < v.operations[index].invoked + hold).then(|| (ticket, v.key(index), hold, at))
}

fn two_tickets(v: &mut V<'_>) -> Option<()> {
    let (_, key, hold, at) = standing(v)?;
    v.insert(&key, at, at + 1, C::Reserve { hold, slack: 0 }, A::Reserved(FORGED));
    Some(())
}

fn ticket_repeated(v: &mut V<'_>) -> Option<()> {
    let first = v.pick(|v, i| matches!(v.ok(i), Some(A::Reserved(_))))?;
    let second = v.after(first, |v, i| matches!(v.ok(i), Some(A::Reserved(_))))?;
    let answer = v.ok(first)?.clone();
    v.set(second, answer)
}

fn fill(ticket: u64) -> C {
    C::Fill { ticket, value: FORGED, lives: None }
}

fn filled_after(v: &mut V<'_>, call: C, answer: A) -> Option<()> {
    let index = v.pick(|v, i| matches!(v.ok(i), Some(A::Reserved(_))))?;
    let Some(&A::Reserved(ticket)) = v.ok(index) else { return None };
    let (key, at) = (v.key(index), v.returned(index) + 1);
    v.insert(&key, at, at + 1, call, answer);
    v.insert(&key, at + 2, at + 3, fill(ticket), A::Filled(true));
    Some(())
}

/// No ticket is given twice, so what ended once never stands again.
fn filled_after_remove(v: &mut V<'_>) -> Option<()> {
    filled_after(v, C::Remove, A::Removed { existed: false })
}

fn filled_after_set(v: &mut V<'_>) -> Option<()> {
    filled_after(v, C::Set { value: FORGED + 1, lives: None }, A::Done)
}

fn filled_twice(v: &mut V<'_>) -> Option<()> {
    let index = v.pick(|v, i| v.ok(i) == Some(&A::Filled(true)))?;
    let C::Fill { ticket, .. } = v.operations[index].call else { return None };
    let (key, at) = (v.key(index), v.returned(index) + 1);
    v.insert(&key, at, at + 1, fill(ticket), A::Filled(true));
    Some(())
}

fn filled_under_forged_ticket(v: &mut V<'_>) -> Option<()> {
    let (_, key, _, at) = standing(v)?;
    v.insert(&key, at, at + 1, fill(FORGED), A::Filled(true));
    Some(())
}

fn filled_after_hold(v: &mut V<'_>) -> Option<()> {
    let (ticket, key, hold, at) = standing(v)?;
    v.insert(&key, at + hold, at + hold + 1, fill(ticket), A::Filled(true));
    Some(())
}

fn refused_though_reserved(v: &mut V<'_>) -> Option<()> {
    let (ticket, key, _, at) = standing(v)?;
    v.insert(&key, at, at + 1, fill(ticket), A::Filled(false));
    Some(())
}

fn read_before_the_write(v: &mut V<'_>) -> Option<()> {
    let write = v.pick(|v, i| written(v, i).is_some())?;
    let (value, _) = written(v, write)?;
    let read = v.pick(|v, i| v.key(i) == v.key(write) && v.ok(i) == Some(&A::Hit(value)))?;
    v.move_before(read, write)
}

fn read_after_its_end(v: &mut V<'_>) -> Option<()> {
    let write = v.pick(|v, i| written(v, i).is_some_and(|(_, lives)| lives.is_some()))?;
    let (value, lives) = written(v, write)?;
    let (key, at) = (v.key(write), v.returned(write) + lives?);
    v.insert(&key, at, at + 1, C::Get, A::Hit(value));
    Some(())
}

/// Cleared, then removed with the answer that there was something, though nothing was written from the clear on.
fn removed_what_was_cleared(v: &mut V<'_>) -> Option<()> {
    let any = v.pick(|_, _| true)?;
    let (key, end) = (v.key(any), v.operations.iter().filter_map(|op| op.returned).max()? + 1);
    if v.any_between(&key, end, u64::MAX, |op| matches!(op.call, C::Set { .. } | C::Fill { .. })) {
        return None;
    }
    v.insert(&key, end, end + 1, C::Clear, A::Done);
    v.insert(&key, end + 2, end + 3, C::Remove, A::Removed { existed: true });
    Some(())
}

/// Cleared, then somebody is said to be loading, though nobody reserved from the clear on.
fn loading_for_nobody(v: &mut V<'_>) -> Option<()> {
    let any = v.pick(|_, _| true)?;
    let (key, end) = (v.key(any), v.operations.iter().filter_map(|op| op.returned).max()? + 1);
    if v.any_between(&key, end, u64::MAX, |op| matches!(op.call, C::Reserve { .. })) {
        return None;
    }
    v.insert(&key, end, end + 1, C::Clear, A::Done);
    v.insert(&key, end + 2, end + 3, C::Reserve { hold: 1_000, slack: 0 }, A::Loading);
    Some(())
}
