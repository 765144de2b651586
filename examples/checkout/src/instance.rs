//! One running instance: the server, the settlement and the totals.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use concurrency_core::{ProjectionCounts, Projector, clock, clock::BootInstant, random};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{http, service::Checkout};

/// How often the settlement is tried, at the least: each pause is half to all of this.
const SETTLE_EVERY: Duration = Duration::from_millis(200);

/// A running instance. Dropping it ends it at once, as a crash would; [`stop`](Self::stop) ends it cleanly.
#[derive(Debug)]
pub struct Instance {
    address: SocketAddr,
    checkout: Arc<Checkout>,
    totals: Arc<Projector>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<io::Result<()>>,
}

impl Instance {
    /// Serves on `listener` and runs the jobs until it is stopped.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub fn start(checkout: Arc<Checkout>, totals: Projector, listener: TcpListener) -> io::Result<Self> {
        let totals = Arc::new(totals);
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let router = http::router(Arc::clone(&checkout));
        let until = until_stopped(stopped.clone());
        tasks.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(until).await });
        tasks.spawn(settle(Arc::clone(&checkout), stopped.clone()));
        tasks.spawn(project(Arc::clone(&checkout), Arc::clone(&totals), stopped));
        Ok(Self { address, checkout, totals, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does its work with.
    #[must_use]
    pub const fn checkout(&self) -> &Arc<Checkout> {
        &self.checkout
    }

    /// What it has counted into the totals.
    #[must_use]
    pub fn projection(&self) -> ProjectionCounts {
        self.totals.counts()
    }

    /// Answers the requests that are under way, ends the jobs, gives locks back and closes the backend.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        self.checkout.backend.close().await;
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    // An error says that the instance was dropped, which stops it as well.
    drop(stopped.wait_for(|stop| *stop).await);
}

/// Settles again and again. An error is counted and tried again: the work waits in the backend.
async fn settle(checkout: Arc<Checkout>, stopped: watch::Receiver<bool>) -> io::Result<()> {
    let job = async {
        loop {
            if checkout.settle_all().await.is_err() {
                checkout.counters().job_errors.add(1);
            }
            pause(SETTLE_EVERY).await;
        }
    };
    tokio::select! {
        () = job => {}
        () = until_stopped(stopped) => {}
    }
    Ok(())
}

/// Keeps the totals, for as long as the instance runs. One instance at a time does; the others wait to take over. What ends
/// it but closing is counted and tried again.
async fn project(checkout: Arc<Checkout>, totals: Arc<Projector>, stopped: watch::Receiver<bool>) -> io::Result<()> {
    let job = async {
        while totals.run().await.is_err() {
            checkout.counters().job_errors.add(1);
            pause(SETTLE_EVERY).await;
        }
    };
    tokio::select! {
        () = job => {}
        () = until_stopped(stopped) => {}
    }
    Ok(())
}

async fn pause(at_most: Duration) {
    let pause = at_most / 2 + random::up_to(at_most / 2);
    clock::sleep_until(BootInstant::now().after(pause)).await;
}
