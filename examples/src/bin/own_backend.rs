//! A third party's own state store: four methods, and the whole conformance suite on it (cargo test -p examples own_backend).

use std::{collections::HashMap, sync::Arc, sync::Mutex};

use concurrency::*;

/// A `State` shows no value in its `Debug`; one derived over plain bytes would, and the suite would notice.
#[derive(Debug, Default)]
struct MapStore(Mutex<HashMap<String, State>>);

#[async_trait::async_trait]
impl StateStore for MapStore {
    fn capabilities(&self) -> StateCapabilities {
        StateCapabilities { evictable: false, ..StateCapabilities::NONE }
    }
    async fn load(&self, key: &str) -> Result<Option<State>> {
        check_key(key)?;
        Ok(self.0.lock().expect("never poisoned").get(key).cloned())
    }
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        check_key(key)?;
        let SaveParts { precondition, expires, fenced_by } = options.into_parts()?; // a new option breaks this line, on purpose
        if matches!(expires, Expires::After(_)) || fenced_by.is_some() {
            return Err(Error::unsupported("TTL and fencing"));
        }
        let mut map = self.0.lock().expect("never poisoned");
        precondition.check(key, map.get(key).map(|state| state.version))?;
        let version = Version::mint();
        map.insert(key.into(), State::new(value, version, None));
        Ok(version)
    }
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        check_key(key)?;
        let DeleteParts { precondition, fenced_by } = options.into_parts()?;
        if fenced_by.is_some() {
            return Err(Error::unsupported("fencing"));
        }
        let mut map = self.0.lock().expect("never poisoned");
        precondition.check(key, map.get(key).map(|state| state.version))?;
        Ok(map.remove(key).is_some())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let visits = TypedState::<u64>::new(Arc::new(MapStore::default())); // everything above the trait works on it
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
