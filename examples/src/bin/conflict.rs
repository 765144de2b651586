//! Transactional state: a write that lost a race is refused, and two accounts change together or not at all.

use concurrency::{Error, Result, SaveOptions, TypedState, Write};
use examples::Place;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Account {
    balance: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::of_this_run(); // in memory, or on the server that the argument names
    let backend = place.connect().await?;
    let accounts = TypedState::<Account>::new(backend.state_store("accounts")?);
    accounts.save("alice", &Account { balance: 100 }, SaveOptions::new().if_absent()).await?;
    accounts.save("bob", &Account { balance: 0 }, SaveOptions::new().if_absent()).await?;

    // We look at both, and meanwhile somebody else pays alice.
    let mut alice = accounts.load("alice").await?.expect("saved above");
    let mut bob = accounts.load("bob").await?.expect("saved above");
    accounts.update("alice", |account| Account { balance: account.map_or(0, |a| a.balance) + 5 }).await?;

    // Our transfer was computed from what is no longer there: refused, and nothing of it was written.
    match transfer(&accounts, &mut alice, &mut bob, 30).await {
        Err(Error::Conflict { key, .. }) => println!("conflict on {key}: nothing was written"),
        other => panic!("{other:?}"),
    }
    assert_eq!(accounts.load("bob").await?.expect("still there").value.balance, 0);

    // So we look again, and decide again.
    let mut alice = accounts.load("alice").await?.expect("still there");
    let mut bob = accounts.load("bob").await?.expect("still there");
    transfer(&accounts, &mut alice, &mut bob, 30).await?;
    let (alice, bob) = (accounts.load("alice").await?, accounts.load("bob").await?);
    let (alice, bob) = (alice.expect("still there"), bob.expect("still there"));
    println!("alice {}, bob {}", alice.value.balance, bob.value.balance);
    assert_eq!((alice.value.balance, bob.value.balance), (75, 30));
    assert_eq!(alice.version, bob.version, "written by one commit");
    Ok(())
}

type Loaded = concurrency::State<Account>;

async fn transfer(accounts: &TypedState<Account>, from: &mut Loaded, to: &mut Loaded, sum: u64) -> Result<()> {
    from.value.balance -= sum;
    to.value.balance += sum;
    let writes: Vec<Write> = vec![
        accounts.write("alice", &from.value, SaveOptions::new().if_version(from.version))?,
        accounts.write("bob", &to.value, SaveOptions::new().if_version(to.version))?,
    ];
    accounts.store().commit(writes).await?;
    Ok(())
}
