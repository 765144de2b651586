//! `acquire` of the locks of a client, which stand in line.

use super::{
    desk::{Ended, Lines, Look, Queue, Turn, Waiter, wait_in_line},
    *,
};
use crate::Namespace;

/// A client of a server that knows of nobody who waits: whoever stands first here asks it every 100 ms.
#[derive(Debug)]
struct InLine {
    remote: Arc<Remote>,
    namespace: Namespace,
    lines: Mutex<Lines>,
}

impl InLine {
    fn new() -> Self {
        Self { remote: Remote::new().0, namespace: Namespace::from_static("l"), lines: Mutex::default() }
    }

    async fn acquire(&self, fates: impl IntoIterator<Item = Fate>) -> Result<Lease> {
        self.remote.acquires.lock().unwrap().extend(fates);
        wait_in_line(self, &Claim::new("k", SECOND * 60).unwrap(), SECOND).await
    }
}

impl Queue for InLine {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
    fn attend(&self) -> Result<()> {
        Ok(())
    }
    fn with_lines<T>(&self, step: impl FnOnce(&mut Lines) -> T) -> T {
        step(&mut self.lines.lock().unwrap())
    }
    async fn attempt(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.remote.try_acquire(claim).await
    }
    async fn ask(&self, waiter: &Arc<Waiter>) -> Result<Option<Turn>> {
        let turn = |lease: Option<Lease>| match lease {
            Some(lease) => Turn::Granted(lease.fencing_token()),
            None => Turn::Wait(SECOND / 10),
        };
        self.attempt(waiter.claim()).await.map(|lease| Some(turn(lease)))
    }
    async fn look(&self, claim: &Claim) -> Result<Look> {
        let held = self.remote.lock.holder(claim.key()).await?;
        Ok(held.map_or(Look::Free, |_| Look::Taken))
    }
    fn leaves(&self, waiter: &Arc<Waiter>) -> Option<Ended> {
        self.with_lines(|lines| lines.leave_for_good(waiter));
        None
    }
    fn give_back(&self, _: &Claim) {}
}

// L-44
#[tokio::test(start_paused = true)]
async fn whoever_gives_up_in_line_says_of_all_its_attempts_whether_one_may_have_taken_the_name() {
    let _simulation = simulate(1);
    let refused = [Fate::Refused; 1000];
    let failed = InLine::new().acquire(refused).await.unwrap_err();
    assert!(matches!(failed, Error::Unavailable { outcome: Outcome::NotApplied, .. }), "{failed:?}");
    let failed = InLine::new().acquire([Fate::Refused, Fate::AnswerLost].into_iter().chain(refused)).await.unwrap_err();
    assert!(matches!(failed, Error::Unavailable { outcome: UNKNOWN, .. }), "{failed:?}");
    // An answer of the server tells more than that there was none before.
    let (taken, other) = (InLine::new(), Claim::new("k", SECOND * 60).unwrap());
    taken.remote.lock.try_acquire(&other).await.unwrap().unwrap();
    let failed = taken.acquire([Fate::AnswerLost]).await.unwrap_err();
    assert!(matches!(failed, Error::LockTimeout { .. }), "{failed:?}");
    assert!(InLine::new().acquire([Fate::AnswerLost, Fate::Refused]).await.unwrap().is_valid());
}
