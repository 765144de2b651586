//! Entries of everybody's own, and one that everybody loads.

use concurrency_core::{Cache, Expiry, Lookup};

use super::*;

/// Sets, reads and now and then removes an entry that nobody else touches.
async fn turn(cache: &dyn Cache, key: &str, sent: &mut u64, trouble: Trouble) -> Result<(), Error> {
    *sent += 1;
    let value = sent.to_string();
    cache.set(key, value.into(), Expiry::Never).await?;
    let found = cache.get(key).await?;
    let found = found.map(|value| std::str::from_utf8(&value).unwrap().parse::<u64>().unwrap());
    assert!(found == Some(*sent) || (trouble.loses_data() && found.is_none()), "{found:?} instead of {sent}");
    if sent.is_multiple_of(3) {
        let was_there = cache.remove(key).await?;
        // Where the answer to a first copy was lost, a repeat tells what that one has left.
        assert!(was_there || trouble != Trouble::ForgottenScripts, "it was there: {sent}");
        assert_eq!(cache.get(key).await?, None, "it was removed");
    }
    Ok(())
}

/// Loads an entry as everybody does: one of them, and the others wait.
async fn load_together(cache: &dyn Cache, key: &str) -> Result<(), Error> {
    loop {
        match cache.get_or_reserve(key, Duration::from_secs(1)).await? {
            Lookup::Hit(_) => {
                cache.remove(key).await?;
                return Ok(());
            }
            Lookup::Reserved(ticket) => {
                tokio::task::yield_now().await;
                cache.fill(ticket, "loaded".into(), Expiry::Never).await?;
            }
            Lookup::Loading => cache.filled(key).await?,
        }
    }
}

async fn goes_on(mut scene: Scene, options: &'static str) {
    scene.options = options;
    for trouble in Trouble::ALL {
        let namespace = format!("{trouble:?}");
        scene
            .works(trouble, |number, client, load| {
                let cache = client.cache(&namespace).unwrap();
                async move {
                    let (key, mut sent, mut after) = (format!("k{number}"), 0, 0);
                    loop {
                        let ended = match turn(&*cache, &key, &mut sent, trouble).await {
                            Ok(()) => load_together(&*cache, "shared").await,
                            failed => failed,
                        };
                        if load.ends_with(ended, &mut after) {
                            return;
                        }
                    }
                }
            })
            .await;
    }
}

// C-1, C-36: over four processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_as_they_were_left() {
    let Some(scene) = Scene::new() else { return };
    goes_on(scene, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_a_generation_are_as_they_were_left() {
    let Some(scene) = Scene::new() else { return };
    goes_on(scene, "&cache_clear=generation").await;
}
