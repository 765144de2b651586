//! SQL of the caller and operations of ours in one transaction.

use std::{path::Path, time::Duration};

use concurrency_core::{
    Backend, Bytes, DeleteOptions, Error, FencingToken, ListQuery, Outcome, Result, Save, SaveOptions, StateStore,
    StateTransaction, TypedState, Write,
};
use concurrency_sqlite::{Sqlite, SqliteTransaction, rusqlite::Connection, sql_error};

use super::{load, open, place, save};

const PLAIN: SaveOptions = SaveOptions::new();

/// A row of the caller's.
fn note(transaction: &SqliteTransaction<'_>, what: &str) -> Result<()> {
    transaction.sql().execute("INSERT INTO notes VALUES (?1)", [what]).map(drop).map_err(sql_error)
}

async fn with_notes(path: &Path) -> Sqlite {
    let sqlite = open(path).await.expect("it opens");
    let create = async |transaction: &mut SqliteTransaction<'_>| {
        transaction.sql().execute_batch("CREATE TABLE notes (what TEXT)").map_err(sql_error)
    };
    sqlite.transaction(create).await.expect("the table is created");
    sqlite
}

fn notes(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("it opens");
    let mut select = connection.prepare("SELECT what FROM notes").expect("the table is there");
    let rows = select.query_map((), |row| row.get(0)).expect("it is read");
    rows.collect::<Result<_, _>>().expect("it is read")
}

#[tokio::test]
async fn both_are_committed_together_and_see_each_other() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let store = sqlite.state_store("test").unwrap();
    let typed = TypedState::<u32>::new(store.clone());
    let version = sqlite
        .transaction(async move |transaction| {
            note(transaction, "one")?;
            let mut state = transaction.state(&store)?;
            let version = typed.within(&mut state).save("k", &7, PLAIN.if_absent()).await?;
            assert_eq!(typed.within(&mut state).load("k").await?.unwrap().value, 7);
            note(transaction, "two")?;
            Ok::<_, Error>(version)
        })
        .await
        .unwrap();
    assert_eq!(notes(&path), ["one", "two"]);
    let state = sqlite.state_store("test").unwrap().load("k").await.unwrap().unwrap();
    assert_eq!((state.value, state.version), (Bytes::from("7"), version));
}

#[tokio::test]
async fn every_operation_is_there() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let store = sqlite.state_store("test").unwrap();
    sqlite
        .transaction(async move |transaction| {
            let mut state = transaction.state(&store)?;
            let saved =
                state.save_many(vec![Save::new("a", "1", PLAIN), Save::new("b", "2", PLAIN.if_present())]).await;
            assert!(saved[0].is_ok() && saved[1].as_ref().is_err_and(Error::is_conflict), "{saved:?}");
            let writes = vec![Write::save("b", "3", PLAIN), Write::save("c", "4", PLAIN)];
            let version = state.commit(writes).await?;
            let many = state.load_many(&["c", "missing", "b"]).await?;
            assert!(many[0].as_ref().unwrap().version == version && many[1].is_none() && many[2].is_some());
            let page = state.list(ListQuery::all().limit(2)).await?;
            assert_eq!((page.keys.len(), page.next.as_deref()), (2, Some("b")));
            assert!(state.delete("a", DeleteOptions::new()).await?);
            assert_eq!(state.delete_many(&["a", "b"]).await?, 1);
            state.fence(&["c"], FencingToken(5)).await?;
            assert!(matches!(state.save("", Bytes::new(), PLAIN).await, Err(Error::InvalidKey { .. })));
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    let store = sqlite.state_store("test").unwrap();
    assert_eq!(store.list(ListQuery::all()).await.unwrap().keys.len(), 1);
    let late = store.save("c", "5".into(), PLAIN.fenced_by(FencingToken(4))).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
}

#[tokio::test]
async fn a_refusal_leaves_it_usable() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    save(&sqlite, "k", "v").await.unwrap();
    let store = sqlite.state_store("test").unwrap();
    store.fence(&["fenced"], FencingToken(9)).await.unwrap();
    sqlite
        .transaction(async move |transaction| {
            let mut state = transaction.state(&store)?;
            assert!(state.save("k", "w".into(), PLAIN.if_absent()).await.is_err_and(|error| error.is_conflict()));
            let writes = vec![Write::save("x", "1", PLAIN), Write::save("k", "w", PLAIN.if_absent())];
            assert!(state.commit(writes).await.is_err_and(|error| error.is_conflict()));
            let late = state.save("fenced", "w".into(), PLAIN.fenced_by(FencingToken(8))).await;
            assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
            state.save("after", "w".into(), PLAIN).await?;
            note(transaction, "after")
        })
        .await
        .unwrap();
    assert_eq!(notes(&path), ["after"]);
    let loaded = |key| load(&sqlite, key);
    assert_eq!(loaded("after").await.unwrap().unwrap(), "w");
    assert_eq!(loaded("k").await.unwrap().unwrap(), "v");
    assert!(loaded("x").await.unwrap().is_none() && loaded("fenced").await.unwrap().is_none());
}

#[tokio::test]
async fn an_error_undoes_both() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let store = sqlite.state_store("test").unwrap();
    // With an error of the caller's own.
    let failed = sqlite
        .transaction(async move |transaction| {
            note(transaction, "undone")?;
            transaction.state(&store)?.save("k", "v".into(), PLAIN).await?;
            Err::<(), _>(Box::<dyn std::error::Error + Send + Sync>::from("no, after all"))
        })
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "no, after all");
    assert!(notes(&path).is_empty() && load(&sqlite, "k").await.unwrap().is_none());
}

#[tokio::test]
async fn a_panic_undoes_both_and_reaches_the_caller() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let client = sqlite.clone();
    let panics = tokio::spawn(async move {
        let work = async |transaction: &mut SqliteTransaction<'_>| {
            note(transaction, "undone")?;
            panic!("half way");
            #[allow(unreachable_code, reason = "gives the closure its type")]
            Ok::<(), Error>(())
        };
        client.transaction(work).await
    });
    let panic = panics.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"half way"));
    save(&sqlite, "k", "v").await.unwrap();
    assert!(notes(&path).is_empty());
}

#[tokio::test]
async fn waiting_for_something_else_is_refused() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let work = async |transaction: &mut SqliteTransaction<'_>| {
        note(transaction, "undone")?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok::<_, Error>(())
    };
    let refused =
        tokio::time::timeout(Duration::from_secs(5), sqlite.transaction(work)).await.expect("it does not hang");
    assert!(refused.is_err(), "{refused:?}");
    assert!(notes(&path).is_empty());
}

#[tokio::test]
async fn whoever_ends_it_inside_hears_that_its_effect_is_not_known() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let store = sqlite.state_store("test").unwrap();
    let ended = sqlite
        .transaction(async move |transaction| {
            note(transaction, "kept")?;
            transaction.sql().execute_batch("COMMIT").map_err(sql_error)?;
            // Outside a transaction it would be applied at once, alone.
            let late = transaction.state(&store)?.save("k", "v".into(), PLAIN).await;
            assert!(matches!(late, Err(Error::TransactionAborted { .. })), "{late:?}");
            Ok::<_, Error>(())
        })
        .await;
    assert!(matches!(ended, Err(Error::Backend { outcome: Outcome::Unknown { .. }, .. })), "{ended:?}");
    // The next one is none the worse.
    let work = async |transaction: &mut SqliteTransaction<'_>| note(transaction, "next");
    sqlite.transaction(work).await.unwrap();
    assert_eq!(notes(&path), ["kept", "next"]);
    assert!(load(&sqlite, "k").await.unwrap().is_none());
}

#[tokio::test]
async fn what_the_closure_leaves_on_its_connection_does_not_reach_us() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let work = async |transaction: &mut SqliteTransaction<'_>| {
        let leftovers = "CREATE TEMP TABLE concurrency_state (x); PRAGMA query_only = ON";
        transaction.sql().execute_batch(leftovers).map_err(sql_error)
    };
    sqlite.transaction(work).await.unwrap();
    save(&sqlite, "k", "v").await.unwrap();
    assert_eq!(load(&sqlite, "k").await.unwrap().unwrap(), "v");
    let elsewhere = open(&path).await.unwrap();
    assert_eq!(load(&elsewhere, "k").await.unwrap().unwrap(), "v");
}

#[tokio::test]
async fn a_dropped_call_is_committed_whole_or_not_at_all() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let store = sqlite.state_store("test").unwrap();
    let work = async move |transaction: &mut SqliteTransaction<'_>| {
        note(transaction, "kept")?;
        transaction.state(&store)?.save("k", "v".into(), PLAIN).await.map(drop)
    };
    let mut call = Box::pin(sqlite.transaction(work));
    let once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready()));
    let _is_answered: bool = once.await;
    drop(call);
    // Behind it in the same queue.
    save(&sqlite, "after", "v").await.unwrap();
    assert_eq!(notes(&path), ["kept"]);
    assert_eq!(load(&sqlite, "k").await.unwrap().unwrap(), "v");
}

#[tokio::test]
async fn a_store_of_another_client_is_refused() {
    let (_folder, path) = place();
    let sqlite = with_notes(&path).await;
    let other = open(&path).await.unwrap().state_store("test").unwrap();
    let work = async move |transaction: &mut SqliteTransaction<'_>| transaction.state(&other).map(drop);
    let refused = sqlite.transaction(work).await;
    assert!(matches!(refused, Err(Error::InvalidArgument { what: "state store", .. })), "{refused:?}");
    sqlite.close().await;
    let closed = sqlite.transaction(async |_: &mut SqliteTransaction<'_>| Ok::<_, Error>(())).await;
    assert!(matches!(closed, Err(Error::Closed)), "{closed:?}");
}
