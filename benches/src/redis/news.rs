//! How long after an append a subscription of another client has the event.

use std::sync::Arc;

use benches::pairs::median;
use concurrency_core::{AppendOptions, Delivery, EventStore, NewEvent, Subscription, clock::BootInstant};
use tokio::sync::mpsc;

use super::{
    operation::{EVENT_TYPE, VALUE},
    ours::Ours,
    raw::Raw,
    stage::Stage,
};
use crate::figure::{Figure, Report, Target, Wanted};

const LATENCY: &str = "subscription: from an append's answer to the event in hand / PING";

/// So many events are told.
const EVENTS: usize = 2000;
/// So many round trips come before each; meanwhile the subscription goes to sleep.
const PINGS: usize = 10;

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    if !wanted(LATENCY) {
        return;
    }
    let Some(stage) = Stage::open() else { return };
    let telling = stage.runtime.spawn(tell(stage.ours(), stage.ours(), stage.raw()));
    let [from_call, from_answer, ping] = stage.runtime.block_on(telling).expect("it goes on to the end");
    let [told, called, ping] = [from_answer, from_call, ping].map(|nanos| nanos / 1e3);
    // What the append takes is a figure of its own.
    let raw = format!("{told:.1} \u{b5}s; {called:.1} \u{b5}s from its call; PING {ping:.1} \u{b5}s");
    report(Figure { name: LATENCY.to_owned(), value: told / ping, target: Target::AtMost(3.0), raw });
}

/// From the call of an append to the event, from its answer to the event, and a `PING` of the same run, in nanoseconds: the medians.
async fn tell(publisher: Ours, subscriber: Ours, raw: Raw) -> [f64; 3] {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let mut subscription = Subscription::new(Arc::clone(&subscriber.events), None);
    let listening = tokio::spawn(async move {
        loop {
            let delivery = subscription.next().await.expect("it goes on");
            let heard = matches!(delivery, Delivery::Event(_)).then(BootInstant::now);
            if sender.send(heard).is_err() {
                return;
            }
        }
    });
    let [mut from_call, mut from_answer, mut pings] = [const { Vec::new() }; 3];
    for _ in 0..EVENTS {
        // Until it has nothing to read any more, and then sleeps.
        while heard.recv().await.expect("it listens").is_some() {}
        for _ in 0..PINGS {
            let began = BootInstant::now();
            raw.ping().await;
            pings.push(BootInstant::now().since(began).as_nanos() as f64);
        }
        let called = BootInstant::now();
        let event = NewEvent::new(EVENT_TYPE, VALUE);
        publisher.events.append("news", vec![event], AppendOptions::new()).await.expect("appended");
        let answered = BootInstant::now();
        let at = heard.recv().await.flatten().expect("an event");
        from_call.push(at.since(called).as_nanos() as f64);
        from_answer.push(at.since(answered).as_nanos() as f64);
    }
    listening.abort();
    [from_call, from_answer, pings].map(median)
}
