//! What rounds prove, and what they do not.

use std::{fmt, process::ExitCode};

use concurrency_core::{FencingToken, Released, clock::BootInstant};

use super::{NOTHING, rounds::Turn};

/// From a grant's answer to the holder's local deadline or its release, whichever came first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant {
    pub(super) from: BootInstant,
    pub(super) until: BootInstant,
    pub(super) token: FencingToken,
}

/// So many grants of one name overlap the one before, or have a token that is not greater.
pub(super) fn stolen(grants: &mut [Grant]) -> usize {
    grants.sort_by_key(|grant| grant.from);
    grants.windows(2).filter(|pair| pair[1].from < pair[0].until || pair[1].token <= pair[0].token).count()
}

/// How rounds went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    rounds: usize,
    /// Rounds in which somebody asked while the first winner held the name.
    contended: usize,
    /// Releases of first winners.
    aimed: usize,
    /// Of these, those that came too late: the lease was over.
    late: usize,
    grants: usize,
    /// Releases that were sent again, since the store could not answer in time.
    repeated: usize,
    /// Calls that failed; none should.
    pub(super) failed: usize,
    /// Claims whose process was killed.
    gone: usize,
    /// Processes that were killed while they held a name; `None` where there is one process only.
    pub(super) killed: Option<usize>,
    pub(super) left: usize,
    pub(super) stolen: usize,
}

/// Of all rounds, in percent.
const LEAST_CONTENDED: f64 = 90.0;
/// Of all aimed releases, in percent.
const LEAST_LATE: f64 = 20.0;
/// Of processes that held a name.
const LEAST_KILLED: usize = 20;

impl Counts {
    /// Of so many rounds, none of them counted yet.
    pub(super) fn of(rounds: usize) -> Self {
        Self { rounds, ..Self::default() }
    }

    /// Counts a round.
    pub(super) fn count(&mut self, turns: &[Turn]) {
        let first = turns.iter().filter(|turn| turn.is_first).find_map(|turn| turn.grant);
        let waited = |turn: &&Turn| !turn.is_first && first.is_some_and(|first| turn.asked < first.until);
        self.contended += usize::from(turns.iter().any(|turn| waited(&turn)));
        let aimed = || turns.iter().filter_map(|turn| turn.aimed);
        self.aimed += aimed().count();
        self.late += aimed().filter(|released| *released != Released::Ours).count();
        self.grants += turns.iter().filter(|turn| turn.grant.is_some()).count();
        self.repeated += turns.iter().filter(|turn| turn.repeats > 0).count();
        self.gone += turns.iter().filter(|turn| turn.is_gone).count();
        for why in turns.iter().filter_map(|turn| turn.failed.as_ref()) {
            if self.failed == 0 {
                eprintln!("failed: {why}");
            }
            self.failed += 1;
        }
    }

    /// Adds what was counted for one name.
    pub(super) fn add(&mut self, other: &Self) {
        self.contended += other.contended;
        self.aimed += other.aimed;
        self.late += other.late;
        self.grants += other.grants;
        self.repeated += other.repeated;
        self.failed += other.failed;
        self.gone += other.gone;
        self.stolen += other.stolen;
    }

    fn contended(&self) -> f64 {
        percent(self.contended, self.rounds)
    }

    fn late(&self) -> f64 {
        percent(self.late, self.aimed)
    }

    fn proves_nothing(&self) -> bool {
        let few_kills = self.killed.is_some_and(|killed| killed < LEAST_KILLED);
        self.contended() < LEAST_CONTENDED || self.late() < LEAST_LATE || few_kills
    }

    /// 1 for a wrong lock, 2 where nothing was proved, 0 otherwise.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.left + self.stolen + self.failed > 0 {
            return ExitCode::FAILURE;
        }
        if self.proves_nothing() { ExitCode::from(NOTHING) } else { ExitCode::SUCCESS }
    }
}

fn percent(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 * 100.0 / of as f64 }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, contended, aimed, late, grants, repeated, failed, gone, killed, left, stolen } = self;
        writeln!(
            f,
            "contended      {contended} of {rounds} rounds, {:.1} % (at least {LEAST_CONTENDED} %)",
            self.contended()
        )?;
        writeln!(f, "late releases  {late} of {aimed}, {:.1} % (at least {LEAST_LATE} %)", self.late())?;
        writeln!(f, "grants         {grants}; releases sent again {repeated}; calls that failed {failed}")?;
        if let Some(killed) = killed {
            writeln!(f, "killed holding {killed} processes (at least {LEAST_KILLED}); claims cut off by that {gone}")?;
        }
        writeln!(f, "left {left}, stolen {stolen}")?;
        if self.proves_nothing() { writeln!(f, "proved nothing") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn grant(from: u64, until: u64, token: u64) -> Grant {
        let start = BootInstant::now();
        let at = |ms| start.after(Duration::from_millis(ms));
        Grant { from: at(from), until: at(until), token: FencingToken(token) }
    }

    #[test]
    fn overlaps_and_tokens_that_do_not_grow_are_stolen() {
        assert_eq!(stolen(&mut [grant(10_000, 20_000, 2), grant(1000, 9_000, 1)]), 0);
        assert_eq!(stolen(&mut [grant(1000, 11_000, 1), grant(10_000, 20_000, 2)]), 1);
        assert_eq!(stolen(&mut [grant(1000, 9_000, 2), grant(10_000, 20_000, 2)]), 1);
    }

    #[test]
    fn too_little_contention_proves_nothing() {
        let counts = Counts { rounds: 100, contended: 89, aimed: 100, late: 50, ..Counts::default() };
        assert!(counts.to_string().ends_with("proved nothing\n"), "{counts}");
        let counts = Counts { contended: 90, late: 20, ..counts };
        assert!(counts.to_string().ends_with("left 0, stolen 0\n"), "{counts}");
        assert!(Counts { late: 19, ..counts }.proves_nothing());
        assert!(Counts { killed: Some(19), ..counts }.proves_nothing());
        assert!(!Counts { killed: Some(20), ..counts }.proves_nothing());
    }
}
