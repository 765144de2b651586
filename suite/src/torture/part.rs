//! One process of a [`Fleet`](super::fleet): it claims what it is told to, says what it was granted, and releases when it is told to.
//!
//! | told | says |
//! |---|---|
//! | `claim ID NAME` | `granted ID FROM UNTIL TOKEN`, or `failed ID WHY` |
//! | `release ID AIM` (microseconds), `release ID now` | `released ID UNTIL REPEATS ANSWER`, or `failed ID WHY` |
//!
//! Instants are nanoseconds of the boot clock, which all processes share. It ends when nobody can tell it anything any more.

use std::{
    collections::HashMap,
    io::{BufRead, Write as _, stdin, stdout},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use concurrency_core::{
    Claim, Lease, Lock, Released,
    clock::{self, BootInstant},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    release::{Given, give_back},
    rounds::{NAMESPACE, PATIENCE, TTL, aimed_at, name_of, until},
};
use crate::backends;

/// What a process says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Granted { id: usize, from: u64, until: u64, token: u64 },
    Released { id: usize, until: u64, given: Given },
    Failed { id: usize, why: String },
}

/// An instant of the boot clock from its nanoseconds.
pub(super) fn instant(nanos: u64) -> BootInstant {
    let now = BootInstant::now();
    now.before(now.since_boot()).after(Duration::from_nanos(nanos))
}

fn nanos(instant: BootInstant) -> u64 {
    u64::try_from(instant.since_boot().as_nanos()).unwrap_or(u64::MAX)
}

impl Said {
    pub(super) const fn id(&self) -> usize {
        match self {
            Self::Granted { id, .. } | Self::Released { id, .. } | Self::Failed { id, .. } => *id,
        }
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let (what, id, rest) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let mut rest_of = rest.split(' ');
        let mut number = || rest_of.next()?.parse().ok();
        match what {
            "granted" => Some(Self::Granted { id, from: number()?, until: number()?, token: number()? }),
            "released" => {
                let (until, repeats) = (number()?, usize::try_from(number()?).ok()?);
                let answers = [Released::Ours, Released::NotHeld, Released::HeldByOther];
                let answer = answers.into_iter().find(|answer| rest.ends_with(&format!("{answer:?}")))?;
                Some(Self::Released { id, until, given: Given { answer, repeats } })
            }
            "failed" => Some(Self::Failed { id, why: rest.to_owned() }),
            _ => None,
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Granted { id, from, until, token } => format!("granted {id} {from} {until} {token}"),
            Self::Released { id, until, given: Given { answer, repeats } } => {
                format!("released {id} {until} {repeats} {answer:?}")
            }
            Self::Failed { id, why } => format!("failed {id} {}", why.replace('\n', " ")),
        }
    }
}

/// Lives until its standard input ends.
pub(super) fn run(address: &str) -> ExitCode {
    super::runtime().block_on(async {
        let lock = match backends::join(address.to_owned()).await.and_then(|client| client.lock(NAMESPACE)) {
            Ok(lock) => lock,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        };
        let (say, mut said) = mpsc::unbounded_channel::<Said>();
        let (tell, mut told) = mpsc::unbounded_channel::<String>();
        std::thread::spawn(move || {
            let lines = stdin().lock().lines().map_while(Result::ok);
            lines.map(|line| tell.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        let mut waiting = HashMap::new();
        loop {
            tokio::select! {
                line = told.recv() => match line {
                    Some(line) => hear(&line, &lock, &say, &mut waiting),
                    None => return ExitCode::SUCCESS,
                },
                Some(said) = said.recv() => {
                    let mut out = stdout().lock();
                    if writeln!(out, "{}", said.line()).and_then(|()| out.flush()).is_err() {
                        // Nobody listens any more.
                        return ExitCode::SUCCESS;
                    }
                }
            }
        }
    })
}

/// When to release: so long after the lease's own end less the aim, or at once.
type Go = Option<Duration>;

fn hear(
    line: &str,
    lock: &Arc<dyn Lock>,
    say: &mpsc::UnboundedSender<Said>,
    waiting: &mut HashMap<usize, oneshot::Sender<Go>>,
) {
    let words: Vec<_> = line.split(' ').collect();
    let &[what, id, argument] = &words[..] else { return };
    let Ok(id) = id.parse() else { return };
    match (what, argument.parse::<usize>()) {
        ("claim", Ok(name)) => {
            let (go, gone) = oneshot::channel();
            waiting.insert(id, go);
            drop(tokio::spawn(claimant(Arc::clone(lock), id, name, gone, say.clone())));
        }
        ("release", aim) => {
            if let Some(go) = waiting.remove(&id) {
                // It has failed where nobody waits.
                let (Ok(()) | Err(_)) = go.send(aim.ok().map(|aim| Duration::from_micros(aim as u64)));
            }
        }
        _ => {}
    }
}

async fn claimant(
    lock: Arc<dyn Lock>,
    id: usize,
    name: usize,
    go: oneshot::Receiver<Go>,
    say: mpsc::UnboundedSender<Said>,
) {
    let claim = Claim::new(&name_of(name), TTL).expect("the claim is valid");
    let lease: Lease = match lock.acquire(&claim, PATIENCE).await {
        Ok(lease) => lease,
        Err(error) => return drop(say.send(Said::Failed { id, why: format!("acquire: {error:?}") })),
    };
    let from = BootInstant::now();
    let token = lease.fencing_token();
    drop(say.send(Said::Granted { id, from: nanos(from), until: nanos(lease.deadline()), token: token.0 }));
    if let Ok(Some(aim)) = go.await {
        clock::sleep_until(aimed_at(&lease, aim)).await;
    }
    let until = nanos(until(&lease));
    let said = match give_back(&*lock, &lease).await {
        Ok(given) => Said::Released { id, until, given },
        Err(error) => Said::Failed { id, why: format!("release: {error:?}") },
    };
    drop(say.send(said));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        for said in [
            Said::Granted { id: 7, from: 1, until: 2, token: 3 },
            Said::Released { id: 0, until: 5, given: Given { answer: Released::HeldByOther, repeats: 0 } },
            Said::Released { id: 0, until: 5, given: Given { answer: Released::Ours, repeats: 2 } },
            Said::Failed { id: 1, why: "it did not answer in time".to_owned() },
        ] {
            assert_eq!(Said::parse(&said.line()), Some(said));
        }
        for nonsense in ["", "granted", "granted 1 2", "released 1 2 0 Theirs", "released 1 2 Ours", "granted x 1 2 3"]
        {
            assert_eq!(Said::parse(nonsense), None, "{nonsense}");
        }
        let now = BootInstant::now();
        assert_eq!(instant(nanos(now)), now);
    }
}
