//! One running instance: the server, the settlement and the totals.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use concurrency_core::{clock, clock::BootInstant, random};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{error::CheckoutError, http, service::Checkout, totals::Totals};

/// How often the settlement is tried, at the least: each pause is half to all of this.
const SETTLE_EVERY: Duration = Duration::from_millis(200);

/// A running instance. Dropping it ends it at once, as a crash would; [`stop`](Self::stop) ends it cleanly.
#[derive(Debug)]
pub struct Instance {
    address: SocketAddr,
    checkout: Arc<Checkout>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<io::Result<()>>,
}

impl Instance {
    /// Serves on `listener` and runs the jobs until it is stopped.
    ///
    /// # Errors
    /// Where the listener has no address.
    pub fn start(checkout: Arc<Checkout>, totals: Totals, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let router = http::router(Arc::clone(&checkout));
        let until = until_stopped(stopped.clone());
        tasks.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(until).await });
        tasks.spawn(settle(Arc::clone(&checkout), stopped.clone()));
        tasks.spawn(project(Arc::clone(&checkout), totals, stopped));
        Ok(Self { address, checkout, stop, tasks })
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
            count_error(&checkout, checkout.settle_all().await.map(drop));
            pause(SETTLE_EVERY).await;
        }
    };
    tokio::select! {
        () = job => {}
        () = until_stopped(stopped) => {}
    }
    Ok(())
}

/// Keeps the totals, for as long as the instance runs. One instance at a time does; the others wait to take over.
async fn project(checkout: Arc<Checkout>, totals: Totals, stopped: watch::Receiver<bool>) -> io::Result<()> {
    let job = async {
        loop {
            count_error(&checkout, totals.catch_up().await.map(drop));
            pause(SETTLE_EVERY).await;
        }
    };
    tokio::select! {
        () = job => {}
        () = until_stopped(stopped) => {}
    }
    Ok(())
}

fn count_error(checkout: &Checkout, done: Result<(), CheckoutError>) {
    if done.is_err() {
        checkout.counters().job_errors.add(1);
    }
}

async fn pause(at_most: Duration) {
    let pause = at_most / 2 + random::up_to(at_most / 2);
    clock::sleep_until(BootInstant::now().after(pause)).await;
}
