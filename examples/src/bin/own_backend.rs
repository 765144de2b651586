//! A third party's own state store: four methods, and the whole conformance suite on it (cargo test -p examples own_backend).

use std::{collections::HashMap, sync::Arc, sync::Mutex};

use concurrency::*;

#[derive(Debug, Default)]
struct MapStore(Mutex<HashMap<String, (Bytes, Version)>>);

fn refuse(asked: bool, what: &'static str) -> Result<()> {
    if asked { Err(Error::unsupported(what)) } else { Ok(()) }
}

#[async_trait::async_trait]
impl StateStore for MapStore {
    fn capabilities(&self) -> StateCapabilities {
        StateCapabilities { evictable: false, max_ttl: None, ..StateCapabilities::NONE }
    }
    async fn load(&self, key: &str) -> Result<Option<State>> {
        check_key(key)?;
        let map = self.0.lock().expect("never poisoned");
        Ok(map.get(key).map(|(value, version)| State::new(value.clone(), *version, None)))
    }
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        check_key(key)?;
        let SaveParts { precondition, expires, fenced_by } = options.into_parts()?; // a new option breaks this line, on purpose
        refuse(matches!(expires, Expires::After(_)), "TTL")?;
        refuse(fenced_by.is_some(), "fencing")?;
        let mut map = self.0.lock().expect("never poisoned");
        precondition.check(key, map.get(key).map(|entry| entry.1))?;
        let version = Version::mint();
        map.insert(key.into(), (value, version));
        Ok(version)
    }
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        check_key(key)?;
        let DeleteParts { precondition, fenced_by } = options.into_parts()?;
        refuse(fenced_by.is_some(), "fencing")?;
        let mut map = self.0.lock().expect("never poisoned");
        precondition.check(key, map.get(key).map(|entry| entry.1))?;
        Ok(map.remove(key).is_some())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let visits = TypedState::<u64>::new(Arc::new(MapStore::default())); // everything above the trait works on it
    visits.update("home", |n| n.unwrap_or(0) + 1).await?;
    println!("visits: {}", visits.update("home", |n| n.unwrap_or(0) + 1).await?.value);
    Ok(())
}

#[cfg(test)]
concurrency_conformance::state_store!({
    let stores = Mutex::new(HashMap::<String, Arc<MapStore>>::new()); // one for each namespace that a case asks for
    concurrency_conformance::Harness::component(move |namespace| {
        Ok(stores.lock().unwrap().entry(namespace.into()).or_default().clone() as Arc<dyn StateStore>)
    })
});
