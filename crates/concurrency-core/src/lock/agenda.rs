//! What the keeper renews when: two orders of the same entries, so that a look costs as much as what is due.

use std::collections::{BTreeSet, HashMap};

use crate::{clock::BootInstant, random::Hashing};

/// Entries by their numbers, each with the time at which it is due and an earlier one from which it may come along.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    times: HashMap<u64, Times, Hashing>,
    by_due: BTreeSet<(BootInstant, u64)>,
    by_from: BTreeSet<(BootInstant, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    from: BootInstant,
    due: BootInstant,
}

impl Agenda {
    /// Enters it, in place of what was entered under this number before.
    pub(super) fn set(&mut self, id: u64, from: BootInstant, due: BootInstant) {
        self.remove(id);
        self.times.insert(id, Times { from, due });
        self.by_due.insert((due, id));
        self.by_from.insert((from, id));
    }

    /// Due at `due` and not before, where it would be due later; nothing, where it is not entered.
    pub(super) fn bring_forward(&mut self, id: u64, due: BootInstant) {
        if self.times.get(&id).is_some_and(|times| due < times.due) {
            self.set(id, due, due);
        }
    }

    pub(super) fn remove(&mut self, id: u64) {
        if let Some(Times { from, due }) = self.times.remove(&id) {
            self.by_due.remove(&(due, id));
            self.by_from.remove(&(from, id));
        }
    }

    /// When the first one is due.
    pub(super) fn next(&self) -> Option<BootInstant> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Where one is due: it and all that may come along, the longest waiting first. They are entered no more.
    pub(super) fn take(&mut self, now: BootInstant) -> Vec<u64> {
        if self.next().is_none_or(|next| next > now) {
            return Vec::new();
        }
        let later = self.by_from.split_off(&(now, u64::MAX));
        let taken: Vec<u64> = std::mem::replace(&mut self.by_from, later).into_iter().map(|(_, id)| id).collect();
        for id in &taken {
            let Times { due, .. } = self.times.remove(id).expect("what is in one order is in all");
            self.by_due.remove(&(due, *id));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// `seconds` after some moment.
    fn at(seconds: u64) -> BootInstant {
        BootInstant::NEVER.before(Duration::from_secs(10_000_000)).after(Duration::from_secs(seconds))
    }

    fn agenda(entries: &[(u64, u64, u64)]) -> Agenda {
        let mut agenda = Agenda::default();
        entries.iter().for_each(|&(id, from, due)| agenda.set(id, at(from), at(due)));
        agenda
    }

    #[test]
    fn what_may_come_along_comes_with_what_is_due() {
        let mut agenda = agenda(&[(1, 9, 10), (2, 10, 12), (3, 11, 13)]);
        assert_eq!((agenda.next(), agenda.take(at(9))), (Some(at(10)), vec![]));
        assert_eq!(agenda.take(at(10)), [1, 2]);
        assert_eq!((agenda.next(), agenda.take(at(12))), (Some(at(13)), vec![]));
        assert_eq!(agenda.take(at(20)), [3]);
        assert_eq!((agenda.next(), agenda.take(at(99))), (None, vec![]));
    }

    #[test]
    fn what_was_entered_anew_or_removed_is_due_once_or_not_at_all() {
        let mut agenda = agenda(&[(1, 9, 10), (2, 9, 10)]);
        agenda.set(1, at(19), at(20));
        agenda.remove(2);
        agenda.remove(3);
        assert!(agenda.take(at(10)).is_empty());
        assert_eq!(agenda.take(at(20)), [1]);
        assert!(agenda.take(at(30)).is_empty());
    }

    #[test]
    fn what_is_brought_forward_does_not_come_along_before() {
        let mut agenda = agenda(&[(1, 90, 100), (2, 10, 11)]);
        agenda.bring_forward(1, at(12));
        agenda.bring_forward(1, at(13));
        agenda.bring_forward(7, at(1));
        assert_eq!(agenda.take(at(11)), [2]);
        assert_eq!(agenda.take(at(12)), [1]);
    }
}
