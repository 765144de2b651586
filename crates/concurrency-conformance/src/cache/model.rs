//! Random sequences of calls, replayed on the in-memory model: every answer is the same.

use std::{fmt, sync::Arc, time::Duration};

use concurrency_core::{Bytes, Cache, Error, Expiry, Lookup, Memory, Result, Ticket};
use proptest::{collection::vec, prelude::*};

use super::fixture::{Cx, HOUR, longest};
use crate::property;

/// Few keys, so that calls meet; one that is no key.
const KEYS: [&str; 5] = ["a", "A", "a ", "é", ""];

#[derive(Debug, Clone)]
enum Call {
    Get(usize),
    GetMany(Vec<usize>),
    Contains(usize),
    Lives(usize),
    Set(usize, u8, Ends),
    SetMany(Vec<(usize, u8)>, Ends),
    Remove(usize),
    RemoveMany(Vec<usize>),
    Clear,
    Reserve(usize, Ends),
    /// With the ticket of the n-th reservation that was granted, counted from the last.
    Fill(usize, u8, Ends),
    /// With a ticket that nobody gave.
    Forge(usize, u8),
    /// Long enough for whatever ends to have ended.
    Wait,
}

/// When something ends.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Never,
    InAnHour,
    /// Before the next call: a wait follows.
    AtOnce,
    /// Not a lifetime.
    Nonsense,
}

impl Ends {
    const fn expiry(self) -> Expiry {
        match self {
            Self::Never => Expiry::Never,
            other => Expiry::After(other.hold()),
        }
    }

    const fn hold(self) -> Duration {
        match self {
            Self::Never | Self::InAnHour => HOUR,
            Self::AtOnce => Duration::from_millis(1),
            Self::Nonsense => Duration::ZERO,
        }
    }
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = || prop_oneof![40 => 0..4_usize, 1 => Just(4)];
    let keys = || vec(key(), 0..4);
    let ends = || prop_oneof![6 => Just(Ends::Never), 3 => Just(Ends::InAnHour), 2 => Just(Ends::AtOnce), 1 => Just(Ends::Nonsense)];
    let call = prop_oneof![
        4 => key().prop_map(Call::Get),
        2 => keys().prop_map(Call::GetMany),
        1 => key().prop_map(Call::Contains),
        2 => key().prop_map(Call::Lives),
        6 => (key(), any::<u8>(), ends()).prop_map(|(key, value, ends)| Call::Set(key, value, ends)),
        2 => (vec((key(), any::<u8>()), 0..4), ends()).prop_map(|(entries, ends)| Call::SetMany(entries, ends)),
        3 => key().prop_map(Call::Remove),
        1 => keys().prop_map(Call::RemoveMany),
        1 => Just(Call::Clear),
        8 => (key(), ends()).prop_map(|(key, ends)| Call::Reserve(key, ends)),
        8 => (0..3_usize, any::<u8>(), ends()).prop_map(|(ticket, value, ends)| Call::Fill(ticket, value, ends)),
        1 => (key(), any::<u8>()).prop_map(|(key, value)| Call::Forge(key, value)),
        1 => Just(Call::Wait),
    ];
    vec(call, 1..60)
}

/// The cache under test, or the model, with the tickets that it gave.
struct Side {
    cache: Arc<dyn Cache>,
    tickets: Vec<Ticket>,
}

impl Side {
    /// The answer in words, alike on both sides where they agree.
    async fn call(&mut self, call: &Call) -> String {
        let cache = &self.cache;
        let keys = |of: &[usize]| of.iter().map(|key| KEYS[*key]).collect::<Vec<_>>();
        let value = |value: &u8| Bytes::copy_from_slice(&[*value]);
        match call {
            Call::Get(key) => words(cache.get(KEYS[*key]).await),
            Call::GetMany(of) => words(cache.get_many(&keys(of)).await),
            Call::Contains(key) => words(cache.contains(KEYS[*key]).await),
            Call::Lives(key) => words(
                cache
                    .get_with_expiry(KEYS[*key])
                    .await
                    .map(|cached| cached.map(|cached| (cached.value, cached.expires_in.is_some()))),
            ),
            Call::Set(key, of, ends) => words(cache.set(KEYS[*key], value(of), ends.expiry()).await),
            Call::SetMany(of, ends) => {
                let entries = of.iter().map(|(key, of)| (KEYS[*key].to_owned(), value(of))).collect();
                cache.set_many(entries, ends.expiry()).await.into_iter().map(words).collect::<Vec<_>>().join(", ")
            }
            Call::Remove(key) => words(cache.remove(KEYS[*key]).await),
            Call::RemoveMany(of) => words(cache.remove_many(&keys(of)).await),
            Call::Clear => words(cache.clear().await),
            Call::Reserve(key, ends) => match cache.get_or_reserve(KEYS[*key], ends.hold()).await {
                Ok(Lookup::Reserved(ticket)) => {
                    self.tickets.push(ticket);
                    "a ticket".to_owned()
                }
                Ok(Lookup::Hit(value)) => format!("hit {value:?}"),
                other => words(other.map(|_| "loading")),
            },
            Call::Fill(nth, of, ends) => match self.tickets.iter().rev().nth(*nth) {
                Some(ticket) => words(cache.fill(ticket.clone(), value(of), ends.expiry()).await),
                None => "no ticket".to_owned(),
            },
            Call::Forge(key, of) => {
                let ticket = Ticket { key: KEYS[*key].into(), token: [*of; 16] };
                words(cache.fill(ticket, value(of), Expiry::Never).await)
            }
            Call::Wait => String::new(),
        }
    }
}

/// Errors by their kind: their texts may differ.
fn words<T: fmt::Debug>(answer: Result<T>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(Error::InvalidKey { .. }) => "InvalidKey".to_owned(),
        Err(Error::InvalidArgument { .. }) => "InvalidArgument".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

const fn waits(call: &Call) -> bool {
    matches!(
        call,
        Call::Wait
            | Call::Set(_, _, Ends::AtOnce)
            | Call::SetMany(_, Ends::AtOnce)
            | Call::Reserve(_, Ends::AtOnce)
            | Call::Fill(_, _, Ends::AtOnce)
    )
}

pub(super) async fn random_calls_answer_as_the_model_does(cx: Cx) {
    let cache = cx.open().await;
    let declared = cache.capabilities();
    let pause = longest(&declared, Duration::from_millis(1));
    // Waiting takes real time where time is real.
    let rounds = if pause > Duration::from_millis(10) { 2 } else { 25 };
    property::check(cx.seed(), rounds, &calls(), async |calls: Vec<Call>| {
        cache.clear().await.map_err(|e| format!("clear: {e}"))?;
        let model = Memory::new().cache("model").expect("the model opens");
        let mut tested = Side { cache: Arc::clone(&cache), tickets: Vec::new() };
        let mut model = Side { cache: model, tickets: Vec::new() };
        for (i, call) in calls.iter().enumerate() {
            let undeclared = match call {
                Call::Lives(_) => !declared.remaining,
                Call::Reserve(..) | Call::Fill(..) | Call::Forge(..) => !declared.tickets,
                _ => false,
            };
            if undeclared {
                continue;
            }
            let (answer, wanted) = (tested.call(call).await, model.call(call).await);
            if answer != wanted {
                return Err(format!("call {i}, {call:?}: answered {answer}, the model {wanted}"));
            }
            if waits(call) {
                cx.sleep(pause).await;
            }
        }
        Ok(())
    })
    .await;
}
