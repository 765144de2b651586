//! Renewals in bursts: many leases in one script, and many scripts in one request.

use concurrency_core::{Error, Lease, Renewal, Result, clock::BootInstant};
use redis::{Pipeline, Value};

use super::{
    answer,
    desk::{Desk, Room},
};
use crate::{connection::Deadline, error};

/// So many leases are renewed by one script: others wait while a script runs.
const AT_ONCE: usize = 100;

/// One outcome for each lease, in order.
pub(super) async fn renew(desk: &Desk, room: &Room, leases: &[&Lease]) -> Vec<Result<Lease>> {
    let mut sending = desk.sending(room);
    loop {
        let (failed, outcomes) = match renew_once(desk, room, leases).await {
            Ok(outcomes) => return outcomes,
            Err(failed) => failed,
        };
        // Sent again as long as it may help, each time with a later look at the clock.
        if let Err(error) = sending.goes_on_after(failed).await {
            return outcomes.into_iter().map(|outcome| outcome.and_then(|()| Err(error.clone()))).collect();
        }
    }
}

/// What is wrong with a lease before anything is sent.
fn check(desk: &Desk, lease: &Lease, now: BootInstant) -> Result<()> {
    desk.check_open()?;
    lease.claim().check_alive()?;
    if now < lease.deadline() { Ok(()) } else { Err(Error::lease_lost(lease.key())) }
}

type Unanswered = (Error, Vec<Result<()>>);

/// One copy of those that may be sent. Without an answer the error, and for each lease what was wrong with it before.
async fn renew_once(desk: &Desk, room: &Room, leases: &[&Lease]) -> Result<Vec<Result<Lease>>, Unanswered> {
    let now = BootInstant::now();
    let checked: Vec<_> = leases.iter().map(|lease| check(desk, lease, now)).collect();
    let renewals = Lease::renewals(leases);
    let sent: Vec<_> =
        leases.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(lease, _)| *lease).collect();
    let mut calls = Pipeline::with_capacity(sent.len().div_ceil(AT_ONCE));
    for burst in sent.chunks(AT_ONCE) {
        calls.add_command(desk.calls(room).renew(burst));
    }
    let answers = if sent.is_empty() { Ok(Vec::new()) } else { desk.renew(&calls, Deadline::after(room.limit)).await };
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return Err((error, checked)),
    };
    let mut outcomes = sent.chunks(AT_ONCE).zip(answers).flat_map(|(burst, answer)| outcomes(burst, answer));
    let verdict = |(renewal, checked): (Renewal<'_>, Result<()>)| {
        checked?;
        outcomes.next().unwrap_or_else(|| Err(error::not_understood()))?;
        renewal.confirmed()
    };
    Ok(renewals.into_iter().zip(checked).map(verdict).collect())
}

/// What one script answered of its leases.
fn outcomes(burst: &[&Lease], answer: Result<Value>) -> Vec<Result<()>> {
    match answer {
        Ok(Value::BulkString(bytes)) if bytes.len() == burst.len() => {
            burst.iter().zip(bytes).map(|(lease, byte)| answer::renewed(byte, lease.key())).collect()
        }
        answer => {
            let error = answer.err().unwrap_or_else(error::not_understood);
            burst.iter().map(|_| Err(error.clone())).collect()
        }
    }
}
