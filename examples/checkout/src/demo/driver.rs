//! Many clients at once, who order over HTTP, repeat themselves, and remember what they were told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    clock::{self, BootInstant},
    random,
};
use fastrand::Rng;
use hyper::StatusCode;
use tokio::{sync::watch, task::JoinSet};

use super::{options::Options, progress::Progress};
use crate::{
    catalogue::Product,
    client::{Answer, Client, NoAnswer},
    model::{NewOrder, Receipt},
    shelves::PRODUCTS,
};

/// Of how many orders one is repeated at another instance.
const REPEAT_ONE_OF: u32 = 10;
/// How much later than the first the repeat is sent, at most.
const REPEAT_AFTER: Duration = Duration::from_millis(4);
/// How many products a customer asks for, until one is in stock.
const WISHES: usize = 20;
/// How long a request without a useful answer is sent again and again, each time to the next instance.
const PERSISTENCE: Duration = Duration::from_secs(60);

/// What the clients saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// What was answered to the orders that were accepted.
    pub(crate) accepted: Vec<Receipt>,
    /// How long each took, in microseconds.
    pub(crate) took: Vec<u64>,
    /// Accepted, but not charged before the answer.
    pub(crate) later: u64,
    /// Out of stock.
    pub(crate) refused: u64,
    /// Repeats sent.
    pub(crate) repeats: u64,
    /// Those that were under way together with the first.
    pub(crate) overlapping: u64,
    /// Requests sent again because no useful answer came.
    pub(crate) again: u64,
    /// Products fetched.
    pub(crate) products: u64,
    /// Answers that contradict one another, or that should not be.
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.accepted.extend(other.accepted);
        self.took.extend(other.took);
        self.later += other.later;
        self.refused += other.refused;
        self.repeats += other.repeats;
        self.overlapping += other.overlapping;
        self.again += other.again;
        self.products += other.products;
        self.wrong.extend(other.wrong);
    }
}

/// Sends orders until so many are accepted, or until it is stopped. An answer may take `patience`.
pub(crate) async fn drive(
    addresses: &[SocketAddr],
    options: &Options,
    patience: Duration,
    progress: &Progress,
    stop: &watch::Receiver<bool>,
) -> Tally {
    let start = BootInstant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 0..options.clients {
        let mut customer = Customer {
            instances: addresses.iter().map(|address| Client::new(*address).with_patience(patience)).collect(),
            // Any odd factor keeps the clients' choices apart.
            rng: Rng::with_seed(options.seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            run: options.seed,
            progress: progress.clone(),
            tally: Tally::default(),
        };
        let (next, progress, mut stop) = (Arc::clone(&next), progress.clone(), stop.clone());
        let (orders, pace) = (options.orders, options.pace);
        clients.spawn(async move {
            loop {
                let order = next.fetch_add(1, Ordering::Relaxed);
                if order >= orders || *stop.borrow() {
                    return customer.tally;
                }
                tokio::select! {
                    () = clock::sleep_until(start.after(Duration::from_secs(1) * order as u32 / pace)) => {}
                    () = stopped(&mut stop) => return customer.tally,
                }
                customer.order(order).await;
                progress.tick();
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(joined) = clients.join_next().await {
        match joined {
            Ok(one) => tally.add(one),
            Err(failed) => tally.wrong.push(format!("a client failed: {failed}")),
        }
    }
    tally
}

/// Returns once it is to stop; never, if nobody can say so any more.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// One client, with a connection to each instance.
struct Customer {
    instances: Vec<Client>,
    rng: Rng,
    run: u64,
    progress: Progress,
    tally: Tally,
}

/// What one request brought, and from when to when it was under way.
struct Sent {
    answer: Result<Answer, NoAnswer>,
    from: BootInstant,
    to: BootInstant,
}

impl Customer {
    /// Orders until something is accepted: what is out of stock is replaced by something else, under another key.
    async fn order(&mut self, number: usize) {
        for attempt in 0..WISHES {
            let wanted = NewOrder { sku: self.choose().to_owned(), quantity: self.rng.u32(1..=3) };
            let price = self.price(&wanted.sku).await;
            let key = format!("run-{}-order-{number}-{attempt}", self.run);
            let Some(answer) = self.send(&key, &wanted).await else { return };
            match answer.status {
                StatusCode::CREATED | StatusCode::ACCEPTED => return self.accept(&key, &wanted, price, &answer),
                StatusCode::CONFLICT => self.tally.refused += 1,
                status => return self.tally.wrong.push(format!("{key}: answered {status}")),
            }
        }
        self.tally.wrong.push(format!("order {number}: nothing could be had"));
    }

    fn choose(&mut self) -> &'static str {
        let mut point = self.rng.u32(0..100);
        for (sku, _, _, weight) in PRODUCTS {
            if point < weight {
                return sku;
            }
            point -= weight;
        }
        PRODUCTS[0].0
    }

    async fn price(&mut self, sku: &str) -> Option<u64> {
        let at = self.rng.usize(0..self.instances.len());
        let answer = self.instances[at].get(&format!("/products/{sku}")).await.ok()?;
        self.tally.products += 1;
        serde_json::from_slice::<Product>(&answer.body).ok().map(|product| product.price)
    }

    /// Sends an order, one in ten twice; again at the next instance, with the same key, where no useful answer came.
    async fn send(&mut self, key: &str, wanted: &NewOrder) -> Option<Answer> {
        let at = self.rng.usize(0..self.instances.len());
        let start = BootInstant::now();
        let mut first = if self.rng.u32(0..REPEAT_ONE_OF) == 0 {
            self.send_twice(at, key, wanted).await
        } else {
            self.instances[at].order(key, wanted).await
        };
        for attempt in 1.. {
            match first {
                Ok(answer) if answer.status != StatusCode::SERVICE_UNAVAILABLE => {
                    self.tally.took.push(BootInstant::now().since(start).as_micros() as u64);
                    return Some(answer);
                }
                _ if BootInstant::now().since(start) >= PERSISTENCE => break,
                _ => self.tally.again += 1,
            }
            clock::sleep_until(BootInstant::now().after(random::up_to(Duration::from_millis(100)))).await;
            let next = (at + attempt) % self.instances.len();
            first = self.instances[next].order(key, wanted).await;
        }
        self.tally.wrong.push(format!("{key}: no answer within {} s", PERSISTENCE.as_secs()));
        None
    }

    /// The same order at two instances at once. Both must be answered alike.
    async fn send_twice(&mut self, at: usize, key: &str, wanted: &NewOrder) -> Result<Answer, NoAnswer> {
        let other = (at + self.rng.usize(1..self.instances.len())) % self.instances.len();
        let later = REPEAT_AFTER.mul_f64(self.rng.f64());
        let [first, second] =
            self.instances.get_disjoint_mut([at, other]).expect("two instances, and not the same one");
        let (first, second) = tokio::join!(timed(first, key, wanted), async {
            clock::sleep_until(BootInstant::now().after(later)).await;
            timed(second, key, wanted).await
        });
        self.tally.repeats += 1;
        if second.from < first.to && first.from < second.to {
            self.tally.overlapping += 1;
            self.progress.overlapped();
        }
        if let (Ok(one), Ok(two)) = (&first.answer, &second.answer)
            && useful(one)
            && useful(two)
            && (one.body != two.body || (one.status == StatusCode::CONFLICT) != (two.status == StatusCode::CONFLICT))
        {
            self.tally.wrong.push(format!("{key}: answered {} and, repeated, {}", one.status, two.status));
        }
        // Whatever useful answer there is; the driver's loop sends again where there is none.
        match first.answer {
            Ok(answer) if useful(&answer) => Ok(answer),
            _ => second.answer,
        }
    }

    fn accept(&mut self, key: &str, wanted: &NewOrder, price: Option<u64>, answer: &Answer) {
        let Ok(receipt) = serde_json::from_slice::<Receipt>(&answer.body) else {
            return self.tally.wrong.push(format!("{key}: the answer is no receipt"));
        };
        if !receipt.answers(wanted) || price.is_some_and(|price| price != receipt.unit_price) {
            self.tally.wrong.push(format!("{key}: the receipt is for something else"));
        }
        self.tally.later += u64::from(answer.status == StatusCode::ACCEPTED);
        self.tally.accepted.push(receipt);
    }
}

fn useful(answer: &Answer) -> bool {
    answer.status != StatusCode::SERVICE_UNAVAILABLE
}

async fn timed(client: &mut Client, key: &str, wanted: &NewOrder) -> Sent {
    let from = BootInstant::now();
    let answer = client.order(key, wanted).await;
    Sent { answer, from, to: BootInstant::now() }
}
