//! An event-sourced account: replayed from a snapshot and what followed, with a projection over all accounts, exactly once.

use concurrency::*;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Booked(i64);
impl Event for Booked {
    fn event_type(&self) -> &'static str {
        "booked"
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Account(i64);
impl Aggregate for Account {
    type Event = Booked;
    fn apply(&mut self, booked: &Booked) {
        self.0 += booked.0;
    }
}

fn book(sum: i64) -> impl Fn(&Account) -> Result<Vec<Booked>> {
    move |account| (account.0 + sum >= 0).then(|| vec![Booked(sum)]).ok_or(Error::invalid("withdrawal", "too much"))
}

struct Bank;
#[async_trait::async_trait]
impl Projection for Bank {
    fn name(&self) -> &str {
        "bank"
    }
    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()> {
        let booked: Booked = rows.decode(event)?;
        rows.update("total", |total: Option<i64>| total.unwrap_or(0) + booked.0).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = examples::Place::of_this_run(); // in memory, or on the server that the argument names
    let backend = place.connect().await?;
    let accounts = Repository::<Account>::new(backend.event_store("accounts")?).with_snapshot_every(10);
    for _ in 0..22 {
        accounts.execute("alice", book(10)).await?; // decided on the loaded version, again if somebody else was faster
    }
    accounts.execute("bob", book(50)).await?;
    assert!(accounts.execute("bob", book(-51)).await.is_err(), "refused, and nothing was appended");
    let (alice, before) = (accounts.execute("alice", book(-150)).await?, accounts.counts());
    assert_eq!(accounts.load("alice").await?.state.0, 70);
    let more = accounts.counts().events - before.events;
    println!("alice has {} after {} bookings; loaded by a snapshot and {more}", alice.state.0, alice.version);
    // Rows and checkpoint are one commit: no booking counts twice, however often and wherever it runs.
    let locks = Locks::new(backend.lock("views")?);
    let bank = Projector::new(Bank, accounts.store().clone(), backend.state_store("views")?, locks)?;
    bank.catch_up().await?; // a service spawns `bank.run()`
    println!("the bank holds {:?}", bank.row::<i64>("total").await?);
    assert_eq!(bank.row("total").await?, Some(120));
    Ok(())
}
