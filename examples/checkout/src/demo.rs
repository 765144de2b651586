//! The program: open the shop, send the clients in, wait until the work is done, and judge what was stored.

pub(crate) mod driver;
mod options;
mod progress;
mod report;
mod shop;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use concurrency_core::clock::BootInstant;
use tokio::sync::watch;

use self::{driver::Tally, report::Evidence, shop::Shop};
pub use self::{
    options::{HELP, Options},
    progress::Progress,
    report::{Report, Verdict},
};
use crate::{audit, counters::Counts};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// With a report.
    Report(Box<Report>),
    /// Because it was told to stop, after so many orders.
    Stopped(usize),
}

/// Runs the demo. It ends early, and cleanly, once `stop` says so.
///
/// # Errors
/// What kept it from running, in words.
pub async fn run(options: &Options, progress: &Progress, mut stop: watch::Receiver<bool>) -> Result<Ended, String> {
    let mut shop = Shop::open(options).await?;
    let addresses: Vec<SocketAddr> = shop.instances.iter().map(|instance| instance.address()).collect();
    let start = BootInstant::now();
    let tally = {
        // The bar may be full a moment before the last client has ended: only the clients end this.
        let show = async {
            progress.show(options.orders).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            tally = driver::drive(&addresses, options, PATIENCE, progress, &stop) => tally,
            () = show => unreachable!("it is pending for ever"),
        }
    };
    let drove = BootInstant::now().since(start);
    progress::clear();
    let start = BootInstant::now();
    let drained = tokio::select! {
        biased;
        () = driver::stopped(&mut stop) => {
            shop.close().await;
            return Ok(Ended::Stopped(progress.done()));
        }
        drained = shop.drain() => drained?,
    };
    let times = Times { drove, drained, drain: BootInstant::now().since(start) };
    finish(options, &mut shop, tally, times).await.map(|report| Ended::Report(Box::new(report)))
}

/// How long the clients took, and then the jobs; and whether these came to an end.
struct Times {
    drove: Duration,
    drain: Duration,
    drained: bool,
}

async fn finish(options: &Options, shop: &mut Shop, tally: Tally, times: Times) -> Result<Report, String> {
    let Times { drove, drain, drained } = times;
    let mut counts = Counts::default();
    let mut reads = BTreeMap::<String, u64>::new();
    let (mut projected, mut commits) = (0, 0);
    for instance in &shop.instances {
        projected += instance.projection().events;
        commits += instance.projection().commits;
        counts += instance.checkout().counters().counts();
        for (sku, times) in instance.checkout().reads_by_sku() {
            *reads.entry(sku).or_default() += times;
        }
    }
    let loads = shop.catalogue.asked().into_iter().collect();
    shop.close().await;
    let (stored, mut judged) = shop.audit().await?;
    let mut wrong = tally.wrong.clone();
    if !drained {
        wrong.push("the jobs did not finish in time".to_owned());
    }
    judged.findings.push(audit::answers(&stored, &tally.accepted, wrong));
    let evidence = Evidence {
        counts,
        projected,
        commits,
        reads,
        loads,
        stale_charges: shop.books.summary().refused,
        drove,
        drain,
    };
    Ok(Report::new(options, &tally, &evidence, judged))
}
