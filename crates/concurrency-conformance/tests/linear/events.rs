use concurrency_conformance::{
    history::Answer,
    linear::{EventAnswer as A, EventCall as C, EventModel, Expect, sample},
};

use crate::{Corruption, Victim, all_accepted, all_rejected};

type V<'a> = Victim<'a, EventModel>;

const FORGED: u64 = 1_000_000;

#[test]
fn good_histories_are_accepted() {
    all_accepted(sample::events);
}

#[test]
fn five_hundred_corrupted_histories_are_rejected() {
    let corruptions: &[(&str, Corruption<EventModel>)] = &[
        ("two winners", two_winners),
        ("version left out", version_left_out),
        ("order in a slice", order_in_a_slice),
        ("event left out of a slice", event_left_out),
        ("phantom", phantom),
        ("stale read", stale_read),
        ("lost append", lost_append),
        ("conflict under any", conflict_under_any),
        ("conflict though it exists", conflict_though_it_exists),
        ("no stream, twice", no_stream_twice),
        ("id appended twice", id_appended_twice),
        ("id reused unnoticed", id_reused_unnoticed),
        ("id said to be reused", id_said_to_be_reused),
        ("fenced without a token", fenced_without_token),
        ("answered before its call", |v| v.answered_before_its_call()),
        ("read before the append", read_before_the_append),
    ];
    all_rejected(sample::events, corruptions);
}

fn append(events: &[u64], expected: Expect, id: Option<u64>) -> C {
    C::Append { events: events.to_vec(), expected, id, fence: None }
}

fn appended(v: &V<'_>, index: usize) -> Option<(u64, u64)> {
    match v.ok(index) {
        Some(&A::Appended { first, last }) => Some((first, last)),
        _ => None,
    }
}

/// A slice that shows at least so many events.
fn slice(v: &mut V<'_>, least: usize) -> Option<(usize, Vec<u64>, u64)> {
    let index = v.pick(|v, i| matches!(v.ok(i), Some(A::Slice { events, .. }) if events.len() >= least))?;
    match v.ok(index) {
        Some(A::Slice { events, last }) => Some((index, events.clone(), *last)),
        _ => None,
    }
}

/// A version is taken once.
fn two_winners(v: &mut V<'_>) -> Option<()> {
    let index = v.pick(|v, i| appended(v, i).is_some())?;
    let (first, _) = appended(v, index)?;
    let (key, from, until) = (v.key(index), v.operations[index].invoked, v.returned(index));
    let call = append(&[FORGED], Expect::Exact(first - 1), None);
    v.insert(&key, from, until, call, A::Appended { first, last: first });
    Some(())
}

/// More versions are left out than all appends whose answers were lost could fill.
fn version_left_out(v: &mut V<'_>) -> Option<()> {
    let index = v.pick(|v, i| appended(v, i).is_some())?;
    let (first, last) = appended(v, index)?;
    v.set(index, A::Appended { first: first + 1000, last: last + 1000 })
}

fn order_in_a_slice(v: &mut V<'_>) -> Option<()> {
    let (index, mut events, last) = slice(v, 2)?;
    let at = v.rng.usize(1..events.len());
    events.swap(at - 1, at);
    v.set(index, A::Slice { events, last })
}

fn event_left_out(v: &mut V<'_>) -> Option<()> {
    let (index, mut events, last) = slice(v, 2)?;
    let at = v.rng.usize(..events.len() - 1);
    events.remove(at);
    v.set(index, A::Slice { events, last })
}

fn phantom(v: &mut V<'_>) -> Option<()> {
    let (index, mut events, last) = slice(v, 1)?;
    let at = v.rng.usize(..events.len());
    events[at] = FORGED;
    v.set(index, A::Slice { events, last })
}

/// The stream as it was before an append, read after the append was answered.
fn stale_read(v: &mut V<'_>) -> Option<()> {
    let index = v.pick(|v, i| appended(v, i).is_some())?;
    let (first, _) = appended(v, index)?;
    let (key, at) = (v.key(index), v.returned(index) + 1);
    v.insert(&key, at, at + 1, C::Read { from: first, limit: 5 }, A::Slice { events: vec![], last: first - 1 });
    Some(())
}

/// An append whose events were read is not in the history, nor any repeat of it.
fn lost_append(v: &mut V<'_>) -> Option<()> {
    let (_, shown, _) = slice(v, 1)?;
    let gone = v.rng.choice(shown)?;
    v.operations.retain(|op| !matches!(&op.call, C::Append { events, .. } if events.contains(&gone)));
    Some(())
}

fn insert_after_append(v: &mut V<'_>, call: C, answer: A) -> Option<()> {
    let index = v.pick(|v, i| appended(v, i).is_some())?;
    let (key, at) = (v.key(index), v.returned(index) + 1);
    v.insert(&key, at, at + 1, call, answer);
    Some(())
}

fn conflict_under_any(v: &mut V<'_>) -> Option<()> {
    insert_after_append(v, append(&[FORGED], Expect::Any, None), A::Conflict)
}

fn conflict_though_it_exists(v: &mut V<'_>) -> Option<()> {
    insert_after_append(v, append(&[FORGED], Expect::Exists, None), A::Conflict)
}

fn no_stream_twice(v: &mut V<'_>) -> Option<()> {
    insert_after_append(v, append(&[FORGED], Expect::NoStream, None), A::Appended { first: 1, last: 1 })
}

fn fenced_without_token(v: &mut V<'_>) -> Option<()> {
    insert_after_append(v, append(&[FORGED], Expect::Any, None), A::Fenced { seen: FORGED })
}

/// An append under an id, answered.
fn with_id(v: &mut V<'_>) -> Option<(Box<str>, u64, C, u64, u64)> {
    let index =
        v.pick(|v, i| matches!(v.operations[i].call, C::Append { id: Some(_), .. }) && appended(v, i).is_some())?;
    let (first, last) = appended(v, index)?;
    Some((v.key(index), v.returned(index) + 1, v.operations[index].call.clone(), first, last))
}

/// A repeat gets new versions, where it should get the stored ones.
fn id_appended_twice(v: &mut V<'_>) -> Option<()> {
    let (key, at, call, first, last) = with_id(v)?;
    let after = v.operations.iter().filter_map(|op| match op.answer {
        Answer::Ok(A::Appended { last, .. } | A::Slice { last, .. }) if op.key == key => Some(last),
        _ => None,
    });
    let answer = A::Appended { first: after.max()? + 1, last: last + 1 - first };
    v.insert(&key, at, at + 1, call, answer);
    Some(())
}

fn id_reused_unnoticed(v: &mut V<'_>) -> Option<()> {
    let (key, at, call, first, last) = with_id(v)?;
    let C::Append { id, .. } = call else { return None };
    let events: Vec<u64> = (FORGED..=FORGED + last - first).collect();
    v.insert(&key, at, at + 1, append(&events, Expect::Any, id), A::Appended { first, last });
    Some(())
}

fn id_said_to_be_reused(v: &mut V<'_>) -> Option<()> {
    let (key, at, call, ..) = with_id(v)?;
    v.insert(&key, at, at + 1, call, A::Reused);
    Some(())
}

/// A slice that shows an event which was appended only later.
fn read_before_the_append(v: &mut V<'_>) -> Option<()> {
    let (read, shown, _) = slice(v, 1)?;
    let event = v.rng.choice(shown)?;
    let holds = |call: &C| matches!(call, C::Append { events, .. } if events.contains(&event));
    let first =
        (0..v.operations.len()).filter(|&i| holds(&v.operations[i].call)).min_by_key(|&i| v.operations[i].invoked)?;
    v.move_before(read, first)
}
