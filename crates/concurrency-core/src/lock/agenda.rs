//! What the keeper renews when: guards in slots of time, so that a look costs as much as what is due.
//!
//! A guard may be renewed within a stretch of time. It joins the latest slot in that, or opens one at its end. (The idea is that of
//! timer wheels: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.)

use std::collections::{BTreeMap, VecDeque};

use crate::clock::BootInstant;

/// Things by their numbers, each in at most one slot.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    /// In order: what was added together is due together, and lies together in memory.
    entries: BTreeMap<u64, Entry<T>>,
    slots: BTreeMap<BootInstant, Slot>,
}

#[derive(Debug)]
struct Entry<T> {
    what: T,
    /// Its slot, if it is in one.
    at: Option<BootInstant>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Also of those that have left since then.
    ids: VecDeque<u64>,
    /// How many have not left.
    there: usize,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), slots: BTreeMap::new() }
    }
}

impl<T> Agenda<T> {
    /// Knows this thing from now on; it is in no slot yet.
    pub(super) fn add(&mut self, id: u64, what: T) {
        self.remove(id);
        self.entries.insert(id, Entry { what, at: None });
    }

    pub(super) fn remove(&mut self, id: u64) {
        if let Some(Entry { at: Some(at), .. }) = self.entries.remove(&id) {
            self.leave(at);
        }
    }

    /// All that are known.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.entries.values().map(|entry| &entry.what)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Comes between `from` and `due`, and not at the time that was set before. Nothing, where it is not known.
    pub(super) fn set(&mut self, id: u64, from: BootInstant, due: BootInstant) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let at = slot_between(&self.slots, from, due);
        let before = entry.at.replace(at);
        if let Some(before) = before {
            self.leave(before);
        }
        enter(&mut self.slots, at, id);
    }

    /// At `due`, where it would be later; nothing, where it is in no slot.
    pub(super) fn bring_forward(&mut self, id: u64, due: BootInstant) {
        if self.entries.get(&id).and_then(|entry| entry.at).is_some_and(|at| due < at) {
            self.set(id, due, due);
        }
    }

    /// When the next slot is.
    pub(super) fn next(&self) -> Option<BootInstant> {
        self.slots.first_key_value().map(|(at, _)| *at)
    }

    /// At most so many of those whose slots have come, in their order. `again` says between when and when each comes next, both
    /// after `now`; without that it is forgotten.
    pub(super) fn take(
        &mut self,
        now: BootInstant,
        most: usize,
        mut again: impl FnMut(u64, &T) -> Option<(BootInstant, BootInstant)>,
    ) {
        let mut taken = 0;
        while let Some(mut slot) = self.slots.first_entry().filter(|slot| taken < most && *slot.key() <= now) {
            let at = *slot.key();
            let Some(id) = slot.get_mut().ids.pop_front() else {
                slot.remove();
                continue;
            };
            let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.at == Some(at)) else { continue };
            slot.get_mut().there -= 1;
            taken += 1;
            if let Some((from, due)) = again(id, &entry.what) {
                let at = slot_between(&self.slots, from, due);
                entry.at = Some(at);
                enter(&mut self.slots, at, id);
            } else {
                self.entries.remove(&id);
            }
        }
    }

    fn leave(&mut self, at: BootInstant) {
        if let Some(slot) = self.slots.get_mut(&at) {
            slot.there -= 1;
            if slot.there == 0 {
                self.slots.remove(&at);
            }
        }
    }
}

/// The latest slot of the stretch, or its end.
fn slot_between(slots: &BTreeMap<BootInstant, Slot>, from: BootInstant, due: BootInstant) -> BootInstant {
    slots.range(from..=due).next_back().map_or(due, |(at, _)| *at)
}

fn enter(slots: &mut BTreeMap<BootInstant, Slot>, at: BootInstant, id: u64) {
    let slot = slots.entry(at).or_default();
    slot.ids.push_back(id);
    slot.there += 1;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// So many milliseconds after some moment.
    fn at(millis: u64) -> BootInstant {
        BootInstant::NEVER.before(Duration::from_secs(10_000_000)).after(Duration::from_millis(millis))
    }

    fn agenda(entries: &[(u64, u64, u64)]) -> Agenda<()> {
        let mut agenda = Agenda::default();
        for &(id, from, due) in entries {
            agenda.add(id, ());
            agenda.set(id, at(from), at(due));
        }
        agenda
    }

    /// All that have come; they are forgotten.
    fn taken(agenda: &mut Agenda<()>, now: BootInstant) -> Vec<u64> {
        let mut taken = Vec::new();
        agenda.take(now, usize::MAX, |id, ()| {
            taken.push(id);
            None
        });
        taken
    }

    #[test]
    fn what_may_come_along_comes_with_what_is_due() {
        let mut agenda = agenda(&[(1, 9, 10), (2, 10, 12), (3, 11, 13), (4, 12, 14)]);
        assert_eq!((agenda.next(), taken(&mut agenda, at(9))), (Some(at(10)), vec![]));
        assert_eq!(taken(&mut agenda, at(10)), [1, 2]);
        assert_eq!((agenda.next(), taken(&mut agenda, at(12))), (Some(at(13)), vec![]));
        assert_eq!(taken(&mut agenda, at(20)), [3, 4]);
        assert_eq!((agenda.next(), taken(&mut agenda, at(99))), (None, vec![]));
    }

    #[test]
    fn what_comes_at_different_times_shares_slots() {
        let mut agenda = Agenda::default();
        for id in 0..10_000 {
            agenda.add(id, ());
            agenda.set(id, at(id), at(id + 1250));
        }
        assert_eq!(agenda.slots.len(), 8);
        let mut all = Vec::new();
        while let Some(next) = agenda.next() {
            all.extend(taken(&mut agenda, next));
        }
        assert_eq!(all, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_entered_anew_or_removed_is_due_once_or_not_at_all() {
        let mut agenda = agenda(&[(1, 9, 10), (2, 9, 10), (4, 9, 10)]);
        agenda.set(1, at(19), at(20));
        agenda.remove(2);
        agenda.remove(3);
        agenda.set(3, at(9), at(10));
        assert_eq!(taken(&mut agenda, at(10)), [4]);
        assert_eq!(taken(&mut agenda, at(20)), [1]);
        assert_eq!((taken(&mut agenda, at(30)), agenda.next()), (vec![], None));
        assert_eq!(agenda.all().count(), 0);
    }

    #[test]
    fn a_slot_that_all_have_left_does_not_come() {
        let mut agenda = agenda(&[(1, 10, 10), (2, 10, 10), (3, 50, 50)]);
        agenda.remove(1);
        assert_eq!(agenda.next(), Some(at(10)));
        agenda.set(2, at(60), at(60));
        assert_eq!(agenda.next(), Some(at(50)));
        // Entered in the slot that it has left.
        agenda.set(2, at(50), at(50));
        agenda.set(2, at(50), at(50));
        assert_eq!((taken(&mut agenda, at(50)), agenda.next()), (vec![3, 2], None));
    }

    #[test]
    fn no_more_come_at_once_than_are_wanted_and_they_come_again() {
        let mut agenda = agenda(&[(1, 10, 10), (2, 10, 10), (3, 11, 11), (4, 11, 11), (5, 99, 99)]);
        agenda.remove(2);
        let mut take = |now, most| {
            let mut taken = Vec::new();
            agenda.take(at(now), most, |id, ()| {
                taken.push(id);
                (id != 3).then(|| (at(now + 10), at(now + 20)))
            });
            (taken, agenda.next().unwrap())
        };
        assert_eq!(take(12, 2), (vec![1, 3], at(11)));
        assert_eq!(take(12, 2), (vec![4], at(32)));
        assert_eq!(take(31, 9), (vec![], at(32)));
        assert_eq!(take(32, 9), (vec![1, 4], at(52)));
        assert_eq!(take(98, 9), (vec![1, 4], at(99)));
        assert_eq!(agenda.all().count(), 3);
    }

    #[test]
    fn what_is_brought_forward_comes_earlier_and_not_later() {
        let mut agenda = agenda(&[(1, 90, 100), (2, 10, 11)]);
        agenda.bring_forward(1, at(12));
        agenda.bring_forward(1, at(13));
        agenda.bring_forward(7, at(1));
        assert_eq!(taken(&mut agenda, at(11)), [2]);
        agenda.bring_forward(2, at(11));
        assert_eq!(taken(&mut agenda, at(12)), [1]);
        assert_eq!(agenda.next(), None);
    }
}
