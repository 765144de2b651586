//! Random sequences on the lock under test and on the model, with every outcome equal.

use std::{fmt::Debug, sync::Arc, time::Duration};

use concurrency_core::{Claim, Error, FencingToken, Lease, Lock, Memory, Released, Result, clock::BootInstant};
use proptest::{collection::vec, prelude::*};

use super::steps::*;
use crate::{Context, property};

/// Which token a call carries.
#[derive(Debug, Clone, Copy)]
enum Token {
    None,
    /// Of the last grant of this claim.
    Own,
    /// Of the grant before that.
    Stale,
    /// Of the last grant of its name, to any claim.
    Foreign,
    Forged,
}

/// A step; the numbers pick a claim by remainder.
#[derive(Debug, Clone, Copy)]
enum Step {
    Try(usize),
    /// With a timeout of zero, so that both answer at once.
    Acquire(usize),
    Renew(usize, Token),
    RenewAll,
    Release(usize, Token),
    Holder(usize),
    /// A fresh claim in its place.
    Replace(usize),
    /// Longer than every short TTL, and shorter than every long one.
    Sleep,
}

fn step() -> impl Strategy<Value = Step> {
    let token = || {
        prop_oneof![
            2 => Just(Token::None),
            6 => Just(Token::Own),
            2 => Just(Token::Stale),
            2 => Just(Token::Foreign),
            1 => Just(Token::Forged)
        ]
    };
    prop_oneof![
        8 => (0..CLAIMS).prop_map(Step::Try),
        2 => (0..CLAIMS).prop_map(Step::Acquire),
        5 => ((0..CLAIMS), token()).prop_map(|(claim, token)| Step::Renew(claim, token)),
        1 => Just(Step::RenewAll),
        5 => ((0..CLAIMS), token()).prop_map(|(claim, token)| Step::Release(claim, token)),
        3 => (0..CLAIMS).prop_map(Step::Holder),
        4 => (0..CLAIMS).prop_map(Step::Replace),
        2 => Just(Step::Sleep),
    ]
}

const CLAIMS: usize = 6;
const NAMES: usize = 2;
const SHORT: Duration = SECOND;

/// One of the two locks, and what was granted by it.
struct Side {
    lock: SomeLock,
    /// By claim: the tokens of its grants.
    granted: Vec<Vec<FencingToken>>,
    /// By name: the token of its last grant. Tokens of different names say nothing about each other.
    last: [FencingToken; NAMES],
    inspection: bool,
}

/// What both sides must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Refused,
    Granted {
        /// Whether it has the token of the claim's last grant.
        same: bool,
    },
    Lost,
    Renewed,
    Released(Released),
    Nobody,
    /// By the claim whose last grant has that token.
    Held(Option<usize>),
    Nothing,
}

impl Side {
    fn new(lock: SomeLock) -> Self {
        let inspection = lock.capabilities().inspection;
        Self { lock, granted: vec![Vec::new(); CLAIMS], last: [FencingToken(0); NAMES], inspection }
    }

    fn token(&self, claim: usize, token: Token) -> Option<FencingToken> {
        let granted = &self.granted[claim];
        match token {
            Token::None => None,
            Token::Own => granted.last().copied(),
            Token::Stale => granted.iter().rev().nth(1).copied(),
            Token::Foreign => Some(self.last[claim % NAMES]),
            Token::Forged => Some(FencingToken(self.last[claim % NAMES].0 + 1_000_000)),
        }
    }

    fn grant(&mut self, claim: usize, lease: &Lease) -> Result<Seen, String> {
        let token = lease.fencing_token();
        let same = self.granted[claim].last() == Some(&token);
        let last = &mut self.last[claim % NAMES];
        if !same && token <= *last {
            return Err(format!("token {token} after {last}"));
        }
        if !same {
            self.granted[claim].push(token);
            *last = token;
        }
        Ok(Seen::Granted { same })
    }

    async fn step(&mut self, claims: &[Claim], step: Step) -> Result<Seen, String> {
        match step {
            Step::Try(i) => match told(self.lock.try_acquire(&claims[i]).await)? {
                Some(Some(lease)) => self.grant(i, &lease),
                Some(None) => Ok(Seen::Refused),
                None => Ok(Seen::Lost),
            },
            Step::Acquire(i) => match self.lock.acquire(&claims[i], Duration::ZERO).await {
                Ok(lease) if lease.claim() == &claims[i] => self.grant(i, &lease),
                // A dead claim goes on under another owner, who gives it back at once.
                Ok(lease) => {
                    self.last[i % NAMES] = lease.fencing_token();
                    self.lock.release(lease.claim(), None).await.map_err(|error| error.to_string())?;
                    Ok(Seen::Nothing)
                }
                Err(Error::LockTimeout { .. }) => Ok(Seen::Refused),
                Err(error) => Err(error.to_string()),
            },
            Step::Renew(i, token) => {
                let Some(token) = self.token(i, token) else { return Ok(Seen::Nothing) };
                let renewed = told(self.lock.renew(&forged(&claims[i], token)).await)?;
                Ok(if renewed.is_some() { Seen::Renewed } else { Seen::Lost })
            }
            Step::RenewAll => {
                let held = (0..CLAIMS).filter_map(|i| Some(forged(&claims[i], *self.granted[i].last()?)));
                let held: Vec<Lease> = held.collect();
                let answers = self.lock.renew_many(&held.iter().collect::<Vec<_>>()).await;
                let mut renewed = 0;
                for answer in answers {
                    renewed += usize::from(told(answer)?.is_some());
                }
                Ok(Seen::Held(Some(renewed)))
            }
            Step::Release(i, token) => {
                let token = self.token(i, token);
                Ok(Seen::Released(self.lock.release(&claims[i], token).await.map_err(|error| error.to_string())?))
            }
            Step::Holder(i) if self.inspection => {
                let Some(held) = self.lock.holder(claims[i].key()).await.map_err(|error| error.to_string())? else {
                    return Ok(Seen::Nobody);
                };
                let holds = |claim: &usize| self.granted[*claim].last() == Some(&held.token);
                Ok(Seen::Held((i % NAMES..CLAIMS).step_by(NAMES).find(holds)))
            }
            Step::Holder(_) | Step::Replace(_) | Step::Sleep => Ok(Seen::Nothing),
        }
    }
}

/// `None` for `LeaseLost`; any other error is a failure.
fn told<T: Debug>(answer: Result<T>) -> Result<Option<T>, String> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::LeaseLost { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Of one of the names, with a short TTL or a long one.
fn fresh(round: usize, i: usize) -> Claim {
    claim(&format!("{round}-{}", i % NAMES), if i.is_multiple_of(3) { SHORT } else { LONG })
}

pub(super) async fn random_sequences_agree_with_the_model(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let model: SomeLock = Memory::new().lock("model").expect("a good namespace");
    let mut round = 0;
    let longest = SHORT + lock.capabilities().ttl_granularity;
    // Waiting takes real time where time is real.
    let rounds = if cx.slack() > MILLI * 10 { 8 } else { 24 };
    property::check(cx.seed(), rounds, &vec(step(), 1..40), async |steps| {
        round += 1;
        let mut begun = BootInstant::now();
        let (mut tested, mut model) = (Side::new(Arc::clone(&lock)), Side::new(Arc::clone(&model)));
        model.inspection = tested.inspection;
        // Claims of their own, because a claim dies with its release, whoever is told of it.
        let mut claims: [Vec<Claim>; 2] = std::array::from_fn(|_| (0..CLAIMS).map(|i| fresh(round, i)).collect());
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Sleep => {
                    cx.sleep(longest).await;
                    begun = BootInstant::now();
                }
                Step::Replace(i) => {
                    claims.iter_mut().for_each(|claims| claims[i] = fresh(round, i));
                    (tested.granted[i], model.granted[i]) = (Vec::new(), Vec::new());
                }
                _ => {}
            }
            let (seen, wanted) = (tested.step(&claims[0], step).await, model.step(&claims[1], step).await);
            let seen = seen.map_err(|why| format!("step {n}, {step:?}: {why}"))?;
            let wanted = wanted.map_err(|why| format!("step {n}, {step:?}, in the model: {why}"))?;
            if seen != wanted && BootInstant::now().since(begun) > SHORT / 2 {
                // Real time went on between the two: a lease may have run out on one side only.
                return Ok(());
            }
            if seen != wanted {
                return Err(format!("step {n}, {step:?}: {seen:?}, but the model says {wanted:?}"));
            }
        }
        Ok(())
    })
    .await;
}
