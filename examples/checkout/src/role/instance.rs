//! An instance of the service.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use concurrency::{
    Backend, LockOptions, SaveOptions, StateStore,
    clock::{self, BootInstant},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc};

use super::{
    Arguments, connect,
    say::{hear, say},
};
use crate::{
    broken::{Break, Broken},
    distance::Distant,
    instance::Instance,
    ledger::RemoteLedger,
    model,
    points::Points,
    service::Checkout,
    shelves,
    totals::{self, Totals},
    watched::{Leases, Watched},
};

/// How often it says what it has done so far.
const EVERY: Duration = Duration::from_millis(150);
/// Each way to the backend takes up to so long: a file on this machine answers sooner than requests can meet.
const WAY: Duration = Duration::from_millis(1);
/// How long the write may take that shows that the backend can be written.
const PROBE: Duration = Duration::from_millis(400);
/// Where that write goes: no namespace of the shop.
const PROBES: &str = "checkout-probe";

/// Serves until it is told to stop.
pub(super) async fn play(arguments: Arguments) -> Result<(), String> {
    let number: u32 = arguments.value("number")?;
    let port: u16 = arguments.option("port")?.unwrap_or_default();
    let lease = Duration::from_millis(arguments.option("lease-ms")?.unwrap_or(2000));
    let ledger: SocketAddr = arguments.value("ledger")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|why| format!("port {port} of 127.0.0.1 cannot be had: {why}"))?;

    let said = |why: concurrency::Error| why.to_string();
    let there = connect(&arguments).await?;
    let probes = there.state_store(PROBES).map_err(said)?;
    let mut backend: Arc<dyn Backend> = Arc::new(Distant::new(there, WAY));
    if let Some(part) = arguments.option::<Break>("break")? {
        backend = Arc::new(Broken::new(backend, part));
    }
    let leases = Leases::default();
    let backend: Arc<dyn Backend> = Arc::new(Watched::new(backend, leases.clone()));

    let (tell, mut reached) = mpsc::unbounded_channel();
    let points = Arc::new(Points::telling(tell));
    let totals = Totals::projector(&*backend).map_err(said)?.with_lock_options(LockOptions::new().with_ttl(lease));
    let catalogue = Arc::new(shelves::catalogue());
    let checkout = Checkout::new(backend, Arc::new(RemoteLedger::new(ledger, number)), Arc::clone(&catalogue));
    let checkout = checkout.map_err(|why| why.to_string())?.with_points(Arc::clone(&points)).with_lease(lease);
    let instance = Instance::start(Arc::new(checkout), totals, listener).map_err(|why| why.to_string())?;

    let mut heard = hear();
    say(&json!({ "say": "ready", "address": instance.address() }));
    loop {
        let next = BootInstant::now().after(EVERY);
        tokio::select! {
            biased;
            Some(notice) = reached.recv() => say(&notice),
            Some(line) = heard.recv() => match line.split_once(' ').unwrap_or((&line, "")) {
                ("stop", _) => break,
                ("arm", point) => points.arm(point.parse().ok()),
                ("probe", number) => probe(&probes, number.to_owned()),
                _ => {}
            },
            () = clock::sleep_until(next) => say(&counts(&instance, &leases, catalogue.asked())),
        }
    }
    instance.stop().await;
    Ok(())
}

/// Shows, on a task of its own, whether the backend can be written now.
fn probe(store: &Arc<dyn StateStore>, number: String) {
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let write = store.save("probe", number.clone().into(), SaveOptions::new());
        let written = matches!(tokio::time::timeout(PROBE, write).await, Ok(Ok(_)));
        say(&json!({ "say": "probed", "number": number, "written": written }));
    });
}

fn counts(instance: &Instance, leases: &Leases, asked: Vec<(String, u64)>) -> serde_json::Value {
    let checkout = instance.checkout();
    let reads: u64 = checkout.reads_by_sku().values().sum();
    let loads: u64 = asked.iter().map(|(_, times)| times).sum();
    let held = leases.now();
    let projects = held.iter().find(|(namespace, name, _)| namespace == model::TOTALS && name == totals::NAME);
    json!({
        "say": "counts",
        "counts": checkout.counters().counts(),
        "hits": reads.saturating_sub(loads),
        "loads": loads,
        "projected": instance.projection().events,
        "projects": projects.map(|(_, _, token)| token),
        "holds": held.len(),
        "granted": leases.granted(),
    })
}
