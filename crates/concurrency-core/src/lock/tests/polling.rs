//! The provided `acquire`, which polls.

use super::*;

/// The four methods that a backend must write, and the provided ones.
#[derive(Debug)]
struct Polling(Arc<Remote>);

#[async_trait]
impl Lock for Polling {
    fn capabilities(&self) -> LockCapabilities {
        LockCapabilities::NONE
    }
    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        let lease = self.0.try_acquire(claim).await?;
        if let Some(late) = lease.as_ref().filter(|lease| !lease.is_valid()) {
            claim.die();
            self.0.lock.release(claim, Some(late.fencing_token())).await?;
        }
        Ok(lease.filter(Lease::is_valid))
    }
    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.0.renew(lease).await
    }
    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.0.release(claim, token).await
    }
}

// L-44, L-46
#[tokio::test(start_paused = true)]
async fn outages_are_waited_out_until_the_timeout() {
    let _simulation = simulate(1);
    let (remote, _) = Remote::new();
    let polling = Polling(Arc::clone(&remote));
    let holder = Claim::new("k", SECOND * 60).unwrap();
    remote.lock.try_acquire(&holder).await.unwrap().unwrap();
    let claim = Claim::new("k", SECOND).unwrap();
    let begun = BootInstant::now();
    remote.acquires.lock().unwrap().extend([Fate::Refused; 3]);
    assert!(matches!(polling.acquire(&claim, SECOND).await, Err(Error::LockTimeout { .. })));
    remote.acquires.lock().unwrap().extend([Fate::Refused; 1000]);
    assert!(matches!(polling.acquire(&claim, SECOND).await, Err(Error::Unavailable { .. })), "the last got no answer");
    assert!(BootInstant::now().since(begun) < SECOND * 2 + SECOND / 100);
    remote.acquires.lock().unwrap().truncate(5);
    remote.lock.release(&holder, None).await.unwrap();
    assert!(polling.acquire(&claim, SECOND * 9).await.unwrap().is_valid());
}

// L-10, L-32
#[tokio::test(start_paused = true)]
async fn a_grant_that_came_too_late_is_given_back_and_asked_for_again() {
    let _simulation = simulate(1);
    let (remote, _) = Remote::new();
    let polling = Polling(Arc::clone(&remote));
    let claim = Claim::new("k", SECOND).unwrap();
    remote.acquires.lock().unwrap().extend([Fate::Late(SECOND)]);
    let lease = polling.acquire(&claim, SECOND * 9).await.unwrap();
    assert!(lease.is_valid() && lease.claim().owner() != claim.owner() && claim.is_dead());
}

// L-45
#[tokio::test(start_paused = true)]
async fn an_attempt_in_flight_at_the_timeout_is_abandoned_and_released() {
    let _simulation = simulate(1);
    let (remote, _) = Remote::new();
    let locks = Locks::new(Arc::new(Polling(Arc::clone(&remote))));
    // It takes effect, and nobody hears of it.
    remote.acquires.lock().unwrap().extend([Fate::Refused, Fate::Late(SECOND * 60)]);
    let begun = BootInstant::now();
    let abandoned = locks.acquire("k", LockOptions::new().with_timeout(SECOND)).await;
    assert!(matches!(abandoned, Err(Error::Timeout { outcome: UNKNOWN, .. })), "{abandoned:?}");
    assert_eq!(BootInstant::now().since(begun), SECOND);
    settle().await;
    assert!(remote.is_free("k").await);
}

// L-44
#[tokio::test(start_paused = true)]
async fn an_attempt_that_got_no_answer_is_not_forgotten_after_one_that_was_not_made() {
    let _simulation = simulate(1);
    let (remote, _) = Remote::new();
    let locks = Locks::new(Arc::new(Polling(Arc::clone(&remote))));
    remote.acquires.lock().unwrap().extend([Fate::Refused, Fate::AnswerLost]);
    remote.acquires.lock().unwrap().extend([Fate::Refused; 1000]);
    let failed = locks.acquire("k", LockOptions::new().with_timeout(SECOND)).await;
    assert!(matches!(failed, Err(Error::Unavailable { outcome: UNKNOWN, .. })), "{failed:?}");
    settle().await;
    assert!(remote.is_free("k").await, "what the second attempt took was given back");
}

// L-44
#[tokio::test(start_paused = true)]
async fn attempts_that_were_not_made_are_known_not_to_count() {
    let _simulation = simulate(1);
    let (remote, _) = Remote::new();
    let polling = Polling(Arc::clone(&remote));
    remote.acquires.lock().unwrap().extend([Fate::Refused; 1000]);
    let failed = polling.acquire(&Claim::new("k", SECOND).unwrap(), SECOND).await.unwrap_err();
    assert_eq!(failed.outcome(), Outcome::NotApplied, "{failed:?}");
}
