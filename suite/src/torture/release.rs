//! Giving a name back, as the guards of `Locks` do: an outage is waited out, by sending the release again.
//!
//! A release is refused as `Unavailable` or `Timeout` where another process holds the file for longer than the operation timeout,
//! as one does that the machine keeps from its disk or processor. The contract allows that, and what was not released lapses; so
//! it says nothing about the lock. It is counted and told, and only a release that is never answered has failed.

use std::time::Duration;

use concurrency_core::{
    Lease, Lock, Released, Result,
    clock::{self, BootInstant},
};

use super::rounds::PATIENCE;

/// The pauses before a release is sent again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A release that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) answer: Released,
    /// How often it was sent again. The answer to a repeat may be about what an earlier copy did.
    pub(super) repeats: usize,
}

impl Given {
    /// What it found, if it was sent once.
    pub(super) fn found(self) -> Option<Released> {
        (self.repeats == 0).then_some(self.answer)
    }
}

/// Sends until answered, and begins no repeat when [`PATIENCE`] has passed.
pub(super) async fn give_back(lock: &dyn Lock, lease: &Lease) -> Result<Given> {
    let (until, mut pause, mut repeats) = (BootInstant::now().after(PATIENCE), SHORTEST_PAUSE, 0);
    loop {
        match lock.release(lease.claim(), Some(lease.fencing_token())).await {
            Ok(answer) => return Ok(Given { answer, repeats }),
            Err(error) if !error.is_retryable() || until.has_passed() => return Err(error),
            Err(_) => {}
        }
        clock::sleep_until(BootInstant::now().after(pause)).await;
        (pause, repeats) = ((pause * 2).min(LONGEST_PAUSE), repeats + 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use concurrency_core::{Claim, Error, FencingToken, LockCapabilities, Outcome};

    use super::*;

    /// The first releases are refused.
    #[derive(Debug)]
    struct Held {
        refusals: AtomicUsize,
        refused: Error,
    }

    #[async_trait]
    impl Lock for Held {
        fn capabilities(&self) -> LockCapabilities {
            LockCapabilities::NONE
        }

        async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
            Ok(claim.attempt().granted(FencingToken(1)))
        }

        async fn renew(&self, lease: &Lease) -> Result<Lease> {
            Ok(lease.clone())
        }

        async fn release(&self, _: &Claim, _: Option<FencingToken>) -> Result<Released> {
            let one_less = |left: usize| left.checked_sub(1);
            match self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
                Ok(_) => Err(self.refused.clone()),
                Err(_) => Ok(Released::Ours),
            }
        }
    }

    async fn give_back_after(refusals: usize, refused: Error) -> Result<Given> {
        let lock = Held { refusals: AtomicUsize::new(refusals), refused };
        let claim = Claim::new("k", Duration::from_secs(60)).expect("the claim is valid");
        let lease = lock.try_acquire(&claim).await.expect("answered").expect("granted");
        give_back(&lock, &lease).await
    }

    #[tokio::test]
    async fn an_outage_is_waited_out_and_counted() {
        let unavailable = Error::Unavailable { outcome: Outcome::NotApplied, source: None };
        let given = give_back_after(0, unavailable.clone()).await.expect("answered");
        assert_eq!((given.repeats, given.found()), (0, Some(Released::Ours)));
        let given = give_back_after(2, unavailable).await.expect("answered");
        assert_eq!((given.repeats, given.found()), (2, None));
        assert!(matches!(give_back_after(1, Error::Closed).await, Err(Error::Closed)));
    }
}
