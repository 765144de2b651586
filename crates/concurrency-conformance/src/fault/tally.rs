//! What a run has hit, and whether that proves anything.

use std::{collections::BTreeMap, fmt};

use super::{Kind, Place};

/// What the histories of a run have hit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Histories that were run.
    pub histories: u64,
    /// Of them those with fewer than 4 clients, 200 operations, 8 keys or 3 kinds of fault that hit.
    pub thin: u64,
    /// Operations of the clients.
    pub operations: u64,
    /// Strikes while an operation was in flight, by what and where.
    pub hits: BTreeMap<(Kind, Place), u64>,
    /// Of the hits those whose operation ended `Unknown`.
    pub hits_unknown: u64,
    /// Of those the ones whose effect somebody was shown afterwards.
    pub hits_shown: u64,
    /// Operations that ended `Unknown`, settled.
    pub settled: u64,
    /// Operations that ended `Unknown`, not settled.
    pub unsettled: u64,
    /// Operations that ended with a failure that had no effect.
    pub not_applied: u64,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        let Self { histories, thin, operations, hits, hits_unknown, hits_shown, settled, unsettled, not_applied } =
            other;
        self.histories += histories;
        self.thin += thin;
        self.operations += operations;
        for (what, times) in hits {
            *self.hits.entry(*what).or_default() += times;
        }
        self.hits_unknown += hits_unknown;
        self.hits_shown += hits_shown;
        self.settled += settled;
        self.unsettled += unsettled;
        self.not_applied += not_applied;
    }

    /// All hits.
    #[must_use]
    pub fn hits_in_all(&self) -> u64 {
        self.hits.values().sum()
    }

    fn hits_at(&self, place: Place) -> u64 {
        self.hits.iter().filter(|((_, at), _)| *at == place).map(|(_, times)| times).sum()
    }

    /// Whether enough was hit to prove something.
    ///
    /// # Errors
    /// What is missing.
    pub fn proves(&self) -> Result<(), String> {
        let hits = self.hits_in_all();
        if hits == 0 {
            return Err("nothing was hit".to_owned());
        }
        if self.thin > 0 {
            let Self { thin, histories, .. } = self;
            return Err(format!(
                "{thin} of {histories} histories have fewer than 4 clients, 200 operations, 8 keys or 3 kinds of fault"
            ));
        }
        let shares = [
            ("between request and reply", self.hits_at(Place::Between), 25),
            ("ended unknown", self.hits_unknown, 5),
            ("shown applied though unanswered", self.hits_shown, 1),
        ];
        match shares.iter().find(|(_, times, percent)| times * 100 < hits * percent) {
            Some((what, times, percent)) => Err(format!("{times} of {hits} hits {what}, wanted {percent} %")),
            None => Ok(()),
        }
    }
}

/// Several lines, for people.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hits = self.hits_in_all();
        let percent = |times: u64| times as f64 * 100.0 / hits.max(1) as f64;
        writeln!(f, "histories {}, operations {}, hits {hits}", self.histories, self.operations)?;
        write!(f, "{:<8}", "hits by")?;
        Place::ALL.iter().try_for_each(|place| write!(f, "{:>9}", place.word()))?;
        writeln!(f)?;
        for kind in Kind::ALL.iter().filter(|kind| self.hits.keys().any(|(hit, _)| hit == *kind)) {
            write!(f, "{:<8}", kind.word())?;
            let at = |place: &Place| self.hits.get(&(*kind, *place)).copied().unwrap_or(0);
            Place::ALL.iter().try_for_each(|place| write!(f, "{:>9}", at(place)))?;
            writeln!(f)?;
        }
        let between = self.hits_at(Place::Between);
        writeln!(
            f,
            "of the hits: between request and reply {:.1} %, ended unknown {:.1} %, shown applied though unanswered {:.1} %",
            percent(between),
            percent(self.hits_unknown),
            percent(self.hits_shown)
        )?;
        let Self { settled, unsettled, not_applied, .. } = self;
        write!(f, "unknowns {} ({settled} settled, {unsettled} not), not applied {not_applied}", settled + unsettled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_hit_too_little_proves_nothing() {
        let hits = BTreeMap::from([((Kind::Cut, Place::Between), 25), ((Kind::Hold, Place::BeforeRequest), 75)]);
        let enough = Tally { histories: 1, operations: 200, hits, hits_unknown: 5, hits_shown: 1, ..Tally::default() };
        assert_eq!(enough.proves(), Ok(()));
        assert!(Tally { hits_unknown: 4, ..enough.clone() }.proves().unwrap_err().contains("unknown"));
        assert!(Tally { hits_shown: 0, ..enough.clone() }.proves().unwrap_err().contains("applied"));
        assert!(Tally { thin: 1, ..enough.clone() }.proves().unwrap_err().contains("1 of 1"));
        assert!(Tally::default().proves().is_err());
        let mut twice = enough.clone();
        twice.add(&enough);
        assert_eq!((twice.histories, twice.hits_in_all(), twice.proves()), (2, 200, Ok(())));
        let before = BTreeMap::from([((Kind::Cut, Place::BeforeRequest), 100)]);
        assert!(Tally { hits: before, ..enough }.proves().unwrap_err().contains("between"));
    }
}
