//! A state store whose calls are noted.

use std::sync::Arc;

use concurrency_core::{
    DeleteOptions, Error, FencingToken, Precondition, Result, SaveOptions, StateStore, Version, Write,
};

use super::{Answer, History, Numbers, Recorder, bytes_of, value_of};
use crate::linear::{StateAnswer, StateCall, StateModel, When};

/// One client of a state store, whose calls are noted.
#[derive(Debug, Clone)]
pub struct RecordedState {
    store: Arc<dyn StateStore>,
    client: u32,
    versions: Numbers<Version>,
    recorder: Recorder<StateModel>,
}

impl RecordedState {
    /// The first client.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>) -> Self {
        Self { store, client: 0, versions: Numbers::default(), recorder: Recorder::new() }
    }

    /// Another client, noted in the same history.
    #[must_use]
    pub fn client(&self, client: u32, store: Arc<dyn StateStore>) -> Self {
        Self { store, client, ..self.clone() }
    }

    /// How many calls began while another was under way.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.recorder.met()
    }

    /// What was noted so far.
    #[must_use]
    pub fn history(&self) -> History<StateModel> {
        self.recorder.history()
    }

    /// Makes this call.
    pub async fn call(&self, key: &str, call: StateCall) -> Answer<StateAnswer> {
        let open = self.recorder.begin(self.client, key, call.clone());
        let answer = match self.send(key, &call).await {
            Ok(answer) => Answer::Ok(answer),
            Err(Error::Conflict { .. }) => Answer::Ok(StateAnswer::Conflict),
            Err(Error::Fenced { seen, .. }) => Answer::Ok(StateAnswer::Fenced { seen: seen.0 }),
            Err(error) => Answer::failed(&error),
        };
        open.end(answer.clone());
        answer
    }

    async fn send(&self, key: &str, call: &StateCall) -> Result<StateAnswer> {
        Ok(match *call {
            StateCall::Load => {
                let found = self.store.load(key).await?;
                StateAnswer::Found(found.map(|state| (value_of(&state.value), self.versions.of(state.version))))
            }
            StateCall::Save { value, when, fence } => {
                let version = self.store.save(key, bytes_of(value), self.save_options(when, fence)).await?;
                StateAnswer::Saved { version: self.versions.of(version) }
            }
            StateCall::Delete { when, fence } => {
                StateAnswer::Deleted { existed: self.store.delete(key, self.delete_options(when, fence)).await? }
            }
            StateCall::Check { when } => {
                self.store.commit(vec![Write::check(key, self.precondition(when))]).await?;
                StateAnswer::Done
            }
            StateCall::Fence { token } => {
                self.store.fence(&[key], FencingToken(token)).await?;
                StateAnswer::Done
            }
        })
    }

    /// Makes these calls in one commit, each on a key of its own, and notes each of them: those of a refused commit that
    /// stand before the refused one as checks that held, those behind it as not applied. Loads and fences have no place in
    /// a commit.
    pub async fn commit(&self, calls: &[(&str, StateCall)]) -> Vec<Answer<StateAnswer>> {
        let open: Vec<_> =
            calls.iter().map(|(key, call)| self.recorder.begin(self.client, key, call.clone())).collect();
        let writes = calls.iter().filter_map(|(key, call)| self.write(key, call)).collect();
        let answers: Vec<_> = match self.store.commit(writes).await {
            Ok(version) => {
                let version = self.versions.of(version);
                let done = |call: &StateCall| match call {
                    StateCall::Save { .. } => StateAnswer::Saved { version },
                    _ => StateAnswer::Done,
                };
                calls.iter().map(|(_, call)| Answer::Ok(done(call))).collect()
            }
            Err(error) => {
                let place = calls.iter().position(|(key, _)| names(&error, key));
                (0..calls.len()).map(|index| refused(&error, place, index)).collect()
            }
        };
        for ((open, answer), (_, call)) in open.into_iter().zip(&answers).zip(calls) {
            match (answer, call) {
                (Answer::Ok(StateAnswer::Done), StateCall::Save { when, .. } | StateCall::Delete { when, .. })
                    if answers.iter().any(|other| matches!(other, Answer::Ok(StateAnswer::Conflict))) =>
                {
                    open.end_as(StateCall::Check { when: *when }, answer.clone());
                }
                _ => open.end(answer.clone()),
            }
        }
        answers
    }

    fn write(&self, key: &str, call: &StateCall) -> Option<Write> {
        match *call {
            StateCall::Save { value, when, fence } => {
                Some(Write::save(key, bytes_of(value), self.save_options(when, fence)))
            }
            StateCall::Delete { when, fence } => Some(Write::delete(key, self.delete_options(when, fence))),
            StateCall::Check { when } => Some(Write::check(key, self.precondition(when))),
            StateCall::Load | StateCall::Fence { .. } => None,
        }
    }

    fn precondition(&self, when: When) -> Precondition {
        match when {
            When::Any => Precondition::Any,
            When::Absent => Precondition::Absent,
            When::Present => Precondition::Present,
            // A number that was never given is a version that nobody was given.
            When::Match(number) => Precondition::Match(self.versions.token(number).unwrap_or_else(Version::mint)),
        }
    }

    fn save_options(&self, when: When, fence: Option<u64>) -> SaveOptions {
        let options = SaveOptions::new().when(self.precondition(when));
        fence.map_or(options, |token| options.fenced_by(FencingToken(token)))
    }

    fn delete_options(&self, when: When, fence: Option<u64>) -> DeleteOptions {
        let options = DeleteOptions::new().when(self.precondition(when));
        fence.map_or(options, |token| options.fenced_by(FencingToken(token)))
    }
}

/// Whether a refusal is about this key.
fn names(error: &Error, wanted: &str) -> bool {
    matches!(error, Error::Conflict { key, .. } | Error::Fenced { key, .. } if **key == *wanted)
}

/// What a refused commit says about its call number `index`, where it names number `place`.
fn refused(error: &Error, place: Option<usize>, index: usize) -> Answer<StateAnswer> {
    match error {
        Error::Conflict { .. } if place.is_some_and(|place| index < place) => Answer::Ok(StateAnswer::Done),
        Error::Conflict { .. } if place == Some(index) => Answer::Ok(StateAnswer::Conflict),
        Error::Fenced { seen, .. } if place == Some(index) => Answer::Ok(StateAnswer::Fenced { seen: seen.0 }),
        _ => Answer::failed(error),
    }
}
