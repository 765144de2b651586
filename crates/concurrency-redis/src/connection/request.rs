//! A request: sent, repeated where that does no harm, and answered or not.

use std::{sync::Arc, time::Duration};

use concurrency_core::{
    Error, Outcome, Result,
    clock::{self, BootInstant},
    retry::Backoff,
};
use redis::{Cmd, Pipeline, RedisResult, Value};

use super::{
    deadline::Deadline,
    link::{Connected, Link},
};
use crate::{error, script::Script};

/// A request that its caller repeats waits so long for a connection: it has other things to look after.
const CONNECTING: Duration = Duration::from_millis(100);
/// A request that may be repeated waits this part of its time for an answer on a connection that answers nothing at all.
const PATIENCE: u32 = 3;

/// What is sent in one piece.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request<'r> {
    One(&'r Cmd, Option<&'static Script>),
    Many(&'r Pipeline, Option<&'static Script>),
}

/// Whether the library may send a request again when no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A second copy could undo what somebody else wrote in between.
    Never,
    /// It does no harm, or none that its answer does not tell.
    UntilAnswered,
    /// It does no harm, but it is the caller who repeats it: each copy has a meaning of its own.
    ByCaller,
    /// Another one follows, made by who has sent this: only this copy is sent once.
    Anew,
}

/// What the server said.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) said: Said,
    /// Copies before this one got no answer, and may have been carried out.
    pub(super) repeated: bool,
}

/// An answer to each command.
#[derive(Debug)]
pub(super) enum Said {
    One(Value),
    Many(Vec<Value>),
}

impl Said {
    /// To the last command.
    pub(super) fn last(self) -> Option<Value> {
        match self {
            Self::One(value) => Some(value),
            Self::Many(mut values) => values.pop(),
        }
    }

    pub(super) fn all(self) -> Vec<Value> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }

    fn as_slice(&self) -> &[Value] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Value] {
        match self {
            Self::One(value) => std::slice::from_mut(value),
            Self::Many(values) => values,
        }
    }
}

/// How one copy of a request ended.
enum Ended {
    Answered(Said),
    /// The connection ended.
    Lost,
    /// Nothing came in the time given.
    Silent,
}

impl Request<'_> {
    /// Sends it until it is answered, or once.
    ///
    /// Nearly always there is a connection, and the first copy is answered with nothing left to do. All the rest is a future of its
    /// own, so that this one stays small: each call of the library contains it, and is moved to the heap with it.
    ///
    /// # Errors
    /// `Timeout` and `Unavailable`: `NotApplied` where no copy left, otherwise unknown; and what keeps connecting from success.
    pub(super) async fn send(self, link: &Link, repeat: Repeat, deadline: Deadline) -> Result<Answers> {
        let connected = link.current().filter(|connected| repeat != Repeat::Never || connected.is_fresh());
        let first = match connected {
            Some(connected) => match self.exchange(&connected, repeat, deadline).await {
                Ended::Answered(said) if !said.as_slice().iter().any(is_unfinished) => {
                    return Ok(Answers { said, repeated: false });
                }
                ended => Some((connected, ended)),
            },
            None => None,
        };
        Box::pin(self.send_on(link, repeat, deadline, first)).await
    }

    /// Goes on where the first copy has ended like this, or could not be sent at once.
    async fn send_on(
        self,
        link: &Link,
        repeat: Repeat,
        deadline: Deadline,
        mut first: Option<(Arc<Connected>, Ended)>,
    ) -> Result<Answers> {
        let (mut repeated, mut backoff) = (false, Backoff::new());
        loop {
            let (connected, ended) = match first.take() {
                Some(first) => first,
                None => {
                    let connected = self.connected(link, repeat, deadline, repeated).await?;
                    let ended = self.exchange(&connected, repeat, deadline).await;
                    (connected, ended)
                }
            };
            let failure = match self.finish(&connected, ended, repeat, deadline).await {
                Ended::Answered(said) => {
                    let demoted = |value: &Value| matches!(value, Value::ServerError(e) if error::is_demoted(e));
                    if said.as_slice().iter().any(demoted) {
                        connected.suspect();
                    }
                    return Ok(Answers { said, repeated });
                }
                Ended::Lost => error::unavailable(error::UNKNOWN),
                Ended::Silent => error::timeout(deadline.limit, error::UNKNOWN),
            };
            connected.suspect();
            repeated = true;
            if repeat != Repeat::UntilAnswered || deadline.has_passed() || !backoff.sleep_before(deadline.at).await {
                return Err(failure);
            }
        }
    }

    /// A connection to send it on.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    async fn connected(
        self,
        link: &Link,
        repeat: Repeat,
        deadline: Deadline,
        repeated: bool,
    ) -> Result<Arc<Connected>> {
        loop {
            let connecting = match repeat {
                Repeat::ByCaller => Deadline { at: deadline.at.min(BootInstant::now().after(CONNECTING)), ..deadline },
                Repeat::Never | Repeat::UntilAnswered | Repeat::Anew => deadline,
            };
            let connected = match link.connected(connecting).await {
                Ok(connected) => connected,
                Err(Error::Closed) if !repeated => return Err(Error::Closed),
                Err(error) => return Err(error::with_outcome(error, outcome(repeated))),
            };
            if repeat == Repeat::Never && !is_fresh(&connected, deadline).await {
                connected.suspect();
                if deadline.has_passed() {
                    return Err(error::timeout(deadline.limit, Outcome::NotApplied));
                }
                tokio::task::yield_now().await;
                continue;
            }
            return Ok(connected);
        }
    }

    /// What the server refused because it did not know the script, which it then has not run, follows in full.
    async fn finish(self, connected: &Connected, ended: Ended, repeat: Repeat, deadline: Deadline) -> Ended {
        let mut said = match ended {
            Ended::Answered(said) => said,
            ended => return ended,
        };
        loop {
            let unknown = |value: &Value| matches!(value, Value::ServerError(error) if error::is_unknown_script(error));
            let values = said.as_slice().iter().enumerate();
            let places: Vec<usize> = values.filter(|(_, value)| unknown(value)).map(|(place, _)| place).collect();
            if places.is_empty() || deadline.has_passed() {
                return Ended::Answered(said);
            }
            let again = match self {
                Request::One(command, Some(script)) => {
                    let full = script.in_full(command);
                    Request::One(&full, None).exchange(connected, repeat, deadline).await
                }
                Request::Many(commands, Some(script)) => {
                    let full = script.again(commands, &places);
                    Request::Many(&full, None).exchange(connected, repeat, deadline).await
                }
                _ => return Ended::Answered(said),
            };
            match again {
                Ended::Answered(again) => {
                    for (place, value) in places.into_iter().zip(again.all()) {
                        said.as_mut_slice()[place] = value;
                    }
                }
                ended => return ended,
            }
        }
    }

    async fn exchange(self, connected: &Connected, repeat: Repeat, deadline: Deadline) -> Ended {
        let sent = BootInstant::now();
        let answer = async {
            match self {
                Request::One(command, _) => connected.one(command).await.map(Said::One),
                Request::Many(commands, _) => connected.many(commands).await.map(Said::Many),
            }
        };
        tokio::pin!(answer);
        let slice = match repeat {
            Repeat::Never => deadline.limit,
            Repeat::UntilAnswered | Repeat::ByCaller | Repeat::Anew => deadline.limit / PATIENCE,
        };
        let mut from = sent;
        loop {
            let until = deadline.at.min(from.after(slice));
            let answer: Option<RedisResult<Said>> = tokio::select! {
                biased;
                answer = &mut answer => Some(answer),
                () = clock::sleep_until(until) => None,
            };
            match answer {
                Some(Ok(said)) => return Ended::Answered(said),
                Some(Err(_)) => return Ended::Lost,
                // Answers come in order: while there are any, ours is on its way.
                None if deadline.has_passed() || !connected.has_answered_since(sent) => return Ended::Silent,
                None => from = BootInstant::now(),
            }
        }
    }
}

/// An answer after which there is something to do: to send a script in full, or to look for another server.
fn is_unfinished(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error::is_unknown_script(error) || error::is_demoted(error))
}

fn outcome(repeated: bool) -> Outcome {
    if repeated { error::UNKNOWN } else { Outcome::NotApplied }
}

/// Whether the connection has answered within the last second, or does when asked.
async fn is_fresh(connected: &Connected, deadline: Deadline) -> bool {
    if connected.is_fresh() {
        return true;
    }
    // Asking may be repeated: where nothing comes, there is time left for another connection.
    let ping = redis::cmd("PING");
    let asked = Request::One(&ping, None).exchange(connected, Repeat::UntilAnswered, deadline).await;
    matches!(asked, Ended::Answered(_))
}
