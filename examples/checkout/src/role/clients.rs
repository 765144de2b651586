//! The customers.

use std::{fs::File, io::Write as _, net::SocketAddr, time::Duration};

use concurrency::clock::{self, BootInstant};
use serde_json::json;
use tokio::sync::watch;

use super::{
    Arguments,
    say::{hear, say},
};
use crate::{
    demo::{
        Options, Progress,
        driver::{self, Tally},
    },
    model::Receipt,
};

/// How often they say how far they are.
const EVERY: Duration = Duration::from_millis(150);
/// The most contradictions that are told.
const WRONG_TOLD: usize = 100;

/// Orders until so many are accepted, or until it is told to stop. What was accepted goes into a file, a receipt a line. Who
/// gets no answer for `--patience-ms`, which should be well below what a frozen instance takes, asks another instance.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let addresses: Result<Vec<SocketAddr>, _> = arguments.text("addresses")?.split(',').map(str::parse).collect();
    let addresses = addresses.map_err(|why| format!("--addresses: {why}"))?;
    let path = arguments.text("answers")?;
    let cannot = |why| format!("{path} cannot be written: {why}");
    let mut file = File::create(path).map_err(cannot)?;
    let options = Options {
        orders: arguments.value("orders")?,
        clients: arguments.value("clients")?,
        pace: arguments.value("pace")?,
        seed: arguments.value("seed")?,
        instances: addresses.len(),
        ..Options::default()
    };
    let patience = Duration::from_millis(arguments.value("patience-ms")?);
    let (stop, stopped) = watch::channel(false);
    let mut heard = hear();
    let progress = Progress::default();
    let driving = {
        let progress = progress.clone();
        tokio::spawn(async move { driver::drive(&addresses, &options, patience, &progress, &stopped).await })
    };
    tokio::pin!(driving);
    let start = BootInstant::now();
    let tally = loop {
        let next = BootInstant::now().after(EVERY);
        tokio::select! {
            tally = &mut driving => break tally.map_err(|why| format!("the customers failed: {why}"))?,
            Some(line) = heard.recv() => drop(stop.send_replace(line == "stop")),
            () = clock::sleep_until(next) => {}
        }
        say(&json!({ "say": "ordering", "done": progress.done(), "overlapping": progress.overlapping() }));
    };
    let seconds = BootInstant::now().since(start).as_secs_f64();
    write(&mut file, &tally.accepted).map_err(cannot)?;
    say(&told(tally, seconds));
    Ok(())
}

fn write(file: &mut File, accepted: &[Receipt]) -> std::io::Result<()> {
    let mut text = Vec::new();
    for receipt in accepted {
        serde_json::to_writer(&mut text, receipt)?;
        text.push(b'\n');
    }
    file.write_all(&text)?;
    file.sync_all()
}

fn told(mut tally: Tally, seconds: f64) -> serde_json::Value {
    tally.took.sort_unstable();
    let part = |of_100| tally.took.get(tally.took.len() * of_100 / 100).map_or(0.0, |micros| *micros as f64 / 1000.0);
    json!({
        "say": "ordered",
        "accepted": tally.accepted.len(),
        "later": tally.later,
        "out_of_stock": tally.refused,
        "repeats": tally.repeats,
        "overlapping": tally.overlapping,
        "again": tally.again,
        "products": tally.products,
        "seconds": seconds,
        "median_ms": part(50),
        "slow_ms": part(99),
        "wrong": tally.wrong.iter().take(WRONG_TOLD).collect::<Vec<_>>(),
    })
}
