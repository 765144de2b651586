use concurrency_conformance::linear::{StateAnswer as A, StateCall as C, StateModel, When, sample};

use crate::{Corruption, Victim, all_accepted, all_rejected};

type V<'a> = Victim<'a, StateModel>;

const FORGED: u64 = 1_000_000;

#[test]
fn good_histories_are_accepted() {
    all_accepted(sample::state);
}

#[test]
fn five_hundred_corrupted_histories_are_rejected() {
    let corruptions: &[(&str, Corruption<StateModel>)] = &[
        ("stale read", stale_read),
        ("read of nothing after a save", stale_nothing),
        ("phantom", phantom),
        ("lost write", lost_write),
        ("two winners", two_winners),
        ("two creators", two_creators),
        ("version repeated", version_repeated),
        ("answered before its call", |v| v.answered_before_its_call()),
        ("read before the write", read_before_the_write),
        ("needless conflict", needless_conflict),
        ("conflict on the current version", conflict_on_current),
        ("old version matches again", old_version_matches),
        ("resurrected", resurrected),
        ("lower token accepted", lower_token),
        ("fenced without a mark", fenced_for_nothing),
        ("existed twice", deleted_twice),
    ];
    all_rejected(sample::state, corruptions);
}

fn saved(v: &V<'_>, index: usize) -> Option<(u64, u64)> {
    match (&v.operations[index].call, v.ok(index)) {
        (C::Save { value, .. }, Some(A::Saved { version })) => Some((*value, *version)),
        _ => None,
    }
}

fn is_write(v: &V<'_>, index: usize) -> bool {
    matches!(v.ok(index), Some(A::Saved { .. } | A::Deleted { .. }))
}

fn is_load(v: &V<'_>, index: usize) -> bool {
    matches!(v.ok(index), Some(A::Found(_)))
}

/// A save, a write after it, a read after that: values are unique, so the first cannot be read.
fn stale_read(v: &mut V<'_>) -> Option<()> {
    let old = v.pick(|v, i| saved(v, i).is_some())?;
    let new = v.after(old, is_write)?;
    let load = v.after(new, is_load)?;
    v.set(load, A::Found(saved(v, old)))
}

/// A save, then nothing, though no delete was under way from the save's call to the read's answer.
fn stale_nothing(v: &mut V<'_>) -> Option<()> {
    let save = v.pick(|v, i| saved(v, i).is_some())?;
    let load = v.after(save, is_load)?;
    let (key, from, until) = (v.key(save), v.operations[save].invoked, v.returned(load));
    if v.any_between(&key, from, until, |op| matches!(op.call, C::Delete { .. })) {
        return None;
    }
    v.set(load, A::Found(None))
}

/// A value that nobody wrote.
fn phantom(v: &mut V<'_>) -> Option<()> {
    let load = v.pick(is_load)?;
    v.set(load, A::Found(Some((FORGED, FORGED))))
}

/// A save whose value was read is not in the history.
fn lost_write(v: &mut V<'_>) -> Option<()> {
    let load = v.pick(|v, i| matches!(v.ok(i), Some(A::Found(Some(_)))))?;
    let Some(A::Found(Some((value, _)))) = v.ok(load).cloned() else { return None };
    v.operations.retain(|op| !matches!(op.call, C::Save { value: written, .. } if written == value));
    Some(())
}

/// A version is replaced once.
fn two_winners(v: &mut V<'_>) -> Option<()> {
    let first = v.pick(|v, i| {
        let matching = matches!(v.operations[i].call, C::Save { when: When::Match(_), .. });
        matching && saved(v, i).is_some()
    })?;
    let (mut second, fence) = (v.operations[first].clone(), None);
    let C::Save { when, .. } = second.call else { return None };
    second.call = C::Save { value: FORGED, when, fence };
    second.answer = concurrency_conformance::history::Answer::Ok(A::Saved { version: FORGED });
    v.operations.push(second);
    Some(())
}

/// Two saves under `Absent` at the same time, with no delete to come between them.
fn two_creators(v: &mut V<'_>) -> Option<()> {
    let absent = |op: &C| matches!(op, C::Save { when: When::Absent, .. });
    let first = v.pick(|v, i| absent(&v.operations[i].call) && saved(v, i).is_some())?;
    let (key, from, until) = (v.key(first), v.operations[first].invoked, v.returned(first));
    if v.any_between(&key, from, until, |op| matches!(op.call, C::Delete { .. })) {
        return None;
    }
    let call = C::Save { value: FORGED, when: When::Absent, fence: None };
    v.insert(&key, from, until, call, A::Saved { version: FORGED });
    Some(())
}

/// No version is given twice.
fn version_repeated(v: &mut V<'_>) -> Option<()> {
    let first = v.pick(|v, i| saved(v, i).is_some())?;
    let second = v.pick(|v, i| i != first && v.key(i) == v.key(first) && saved(v, i).is_some())?;
    let (_, version) = saved(v, first)?;
    v.set(second, A::Saved { version })
}

/// A read of a value that was written after the read.
fn read_before_the_write(v: &mut V<'_>) -> Option<()> {
    let save = v.pick(|v, i| saved(v, i).is_some())?;
    let written = saved(v, save);
    let load = v.pick(|v, i| v.key(i) == v.key(save) && v.ok(i) == Some(&A::Found(written)))?;
    v.move_before(load, save)
}

/// `Any` is never refused.
fn needless_conflict(v: &mut V<'_>) -> Option<()> {
    let any = v.pick(|v, i| match v.operations[i].call {
        C::Save { when, .. } | C::Delete { when, .. } => when == When::Any && is_write(v, i),
        _ => false,
    })?;
    v.set(any, A::Conflict)
}

/// The end of everything, on a key where nothing can take effect any more.
fn quiet_end(v: &mut V<'_>) -> Option<(Box<str>, u64)> {
    let any = v.pick(|_, _| true)?;
    let key = v.key(any);
    let end = v.operations.iter().filter_map(|op| op.returned).max()? + 1;
    (!v.any_between(&key, end, u64::MAX, |op| op.call != C::Load)).then_some((key, end))
}

const ANY: C = C::Save { value: FORGED, when: When::Any, fence: None };

/// A save, then a refusal of the very version that it gave.
fn conflict_on_current(v: &mut V<'_>) -> Option<()> {
    let (key, end) = quiet_end(v)?;
    v.insert(&key, end, end + 1, ANY, A::Saved { version: FORGED });
    let when = When::Match(FORGED);
    v.insert(&key, end + 2, end + 3, C::Save { value: FORGED + 1, when, fence: None }, A::Conflict);
    Some(())
}

/// A version that another save has replaced is accepted.
fn old_version_matches(v: &mut V<'_>) -> Option<()> {
    let old = v.pick(|v, i| saved(v, i).is_some())?;
    let new = v.after(old, is_write)?;
    let (key, after, (_, version)) = (v.key(old), v.returned(new), saved(v, old)?);
    let call = C::Save { value: FORGED, when: When::Match(version), fence: None };
    v.insert(&key, after + 1, after + 2, call, A::Saved { version: FORGED });
    Some(())
}

/// Saved, deleted, read.
fn resurrected(v: &mut V<'_>) -> Option<()> {
    let save = v.pick(|v, i| saved(v, i).is_some())?;
    let (key, after, found) = (v.key(save), v.returned(save), saved(v, save));
    let delete = C::Delete { when: When::Any, fence: None };
    v.insert(&key, after + 1, after + 2, delete, A::Deleted { existed: true });
    v.insert(&key, after + 3, after + 4, C::Load, A::Found(found));
    Some(())
}

/// A token is accepted after a higher one was.
fn lower_token(v: &mut V<'_>) -> Option<()> {
    let any = v.pick(is_write)?;
    let (key, after) = (v.key(any), v.returned(any));
    let save = |value, token| C::Save { value, when: When::Any, fence: Some(token) };
    v.insert(&key, after + 1, after + 2, save(FORGED, FORGED), A::Saved { version: FORGED });
    v.insert(&key, after + 3, after + 4, save(FORGED + 1, FORGED - 1), A::Saved { version: FORGED + 1 });
    Some(())
}

/// A token above every other is refused.
fn fenced_for_nothing(v: &mut V<'_>) -> Option<()> {
    let any = v.pick(is_write)?;
    let (key, after) = (v.key(any), v.returned(any));
    let call = C::Save { value: FORGED, when: When::Any, fence: Some(FORGED) };
    v.insert(&key, after + 1, after + 2, call, A::Fenced { seen: FORGED + 1 });
    Some(())
}

/// Two deletes, one after the other, both found the value, though nothing was saved from the first's call on.
fn deleted_twice(v: &mut V<'_>) -> Option<()> {
    let first = v.pick(|v, i| v.ok(i) == Some(&A::Deleted { existed: true }))?;
    let (key, from, after) = (v.key(first), v.operations[first].invoked, v.returned(first));
    if v.any_between(&key, from, after + 2, |op| matches!(op.call, C::Save { .. })) {
        return None;
    }
    let delete = C::Delete { when: When::Any, fence: None };
    v.insert(&key, after + 1, after + 2, delete, A::Deleted { existed: true });
    Some(())
}
