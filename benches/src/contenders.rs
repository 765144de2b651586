//! Who answers.

use std::{hint::black_box, sync::Arc, time::Duration};

use bytes::Bytes;
use concurrency_core::{Cache, Expiry, Memory, MemoryConfig, TypedCache, memory::MemoryCache};

use crate::workload::{Workload, value};

const HOUR: Duration = Duration::from_secs(3600);

/// Somebody who can be asked for the keys of a workload, all of which it holds.
pub trait Contender: Sync {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Asks for these keys, one after the other, and looks at each answer.
    ///
    /// # Panics
    /// If a key is not there.
    fn ask(&self, keys: &[String], trace: &[u32]);
}

/// Everybody, each with the keys of the workload.
#[must_use]
pub fn all(workload: &Workload) -> Vec<Box<dyn Contender>> {
    vec![
        Box::new(Bare::holding(&workload.keys)),
        Box::new(GetNow(memory_holding(&workload.keys))),
        Box::new(Boxed(memory_holding(&workload.keys))),
        Box::new(Near::holding(&workload.keys)),
        Box::new(Moka::holding(&workload.keys)),
        Box::new(Amalgam::holding(&workload.keys)),
    ]
}

/// `quick_cache` as it is: what every read here stands on. It knows no lifetimes.
struct Bare(quick_cache::sync::Cache<Box<str>, Bytes>);

impl Bare {
    fn holding(keys: &[String]) -> Self {
        let cache = quick_cache::sync::Cache::new(keys.len() * 2);
        keys.iter().for_each(|key| cache.insert(key.as_str().into(), value()));
        Self(cache)
    }
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        "bare quick_cache"
    }

    fn ask(&self, keys: &[String], trace: &[u32]) {
        for i in trace {
            black_box(self.0.get(keys[*i as usize].as_str()).expect("held"));
        }
    }
}

/// A memory cache with all keys.
#[must_use]
pub fn memory_holding(keys: &[String]) -> Arc<MemoryCache> {
    let config = MemoryConfig::new().cache_max_entries(keys.len() * 2).cache_default_ttl(HOUR);
    let cache = Memory::with_config(config).expect("a good configuration").cache("bench").expect("a good namespace");
    keys.iter().for_each(|key| cache.set_now(key, value(), Expiry::Default).expect("a good key"));
    cache
}

/// The call without a future.
struct GetNow(Arc<MemoryCache>);

impl Contender for GetNow {
    fn name(&self) -> &'static str {
        "get_now"
    }

    fn ask(&self, keys: &[String], trace: &[u32]) {
        for i in trace {
            black_box(self.0.get_now(&keys[*i as usize]).expect("open").expect("held"));
        }
    }
}

/// The trait, as services use it.
struct Boxed(Arc<dyn Cache>);

impl Contender for Boxed {
    fn name(&self) -> &'static str {
        "Arc<dyn Cache>"
    }

    fn ask(&self, keys: &[String], trace: &[u32]) {
        block_on(async {
            for i in trace {
                black_box(self.0.get(&keys[*i as usize]).await.expect("open").expect("held"));
            }
        });
    }
}

/// The near tier of a typed cache.
struct Near(TypedCache<Vec<u32>>);

impl Near {
    fn holding(keys: &[String]) -> Self {
        let cache = Memory::new().cache("bench").expect("a good namespace");
        let cache = TypedCache::new(cache).with_near(keys.len() * 2, HOUR);
        block_on(async {
            for key in keys {
                let loaded = async { Ok::<_, std::convert::Infallible>(vec![7; 25]) };
                cache.get_or_load(key, loaded).await.expect("it loads");
            }
        });
        Self(cache)
    }
}

impl Contender for Near {
    fn name(&self) -> &'static str {
        "typed near tier"
    }

    fn ask(&self, keys: &[String], trace: &[u32]) {
        block_on(async {
            for i in trace {
                black_box(self.0.get(&keys[*i as usize]).await.expect("open").expect("held"));
            }
        });
    }
}

/// `moka::sync` with a time to live.
struct Moka(moka::sync::Cache<Box<str>, Bytes>);

impl Moka {
    fn holding(keys: &[String]) -> Self {
        let cache = moka::sync::Cache::builder().max_capacity(keys.len() as u64 * 2).time_to_live(HOUR).build();
        keys.iter().for_each(|key| cache.insert(key.as_str().into(), value()));
        cache.run_pending_tasks();
        Self(cache)
    }
}

impl Contender for Moka {
    fn name(&self) -> &'static str {
        "moka::sync"
    }

    fn ask(&self, keys: &[String], trace: &[u32]) {
        for i in trace {
            black_box(self.0.get(keys[*i as usize].as_str()).expect("held"));
        }
    }
}

/// `amalgam-cache`, whose fastest asynchronous read of what is in memory is `try_get`.
struct Amalgam(amalgam::Cache<Bytes>);

impl Amalgam {
    fn holding(keys: &[String]) -> Self {
        let cache = block_on(async {
            let cache = amalgam::Cache::builder()
                .max_capacity(keys.len() as u64 * 2)
                .default_options(amalgam::EntryOptions::new(HOUR))
                .try_build()
                .expect("it builds");
            for key in keys {
                cache.set(key.as_str(), value()).await.expect("it sets");
            }
            cache
        });
        Self(cache)
    }
}

impl Contender for Amalgam {
    fn name(&self) -> &'static str {
        "amalgam-cache"
    }

    fn ask(&self, keys: &[String], trace: &[u32]) {
        block_on(async {
            for i in trace {
                black_box(self.0.try_get(keys[*i as usize].as_str()).await.expect("open").expect("held"));
            }
        });
    }
}

/// A runtime of this thread's own.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts").block_on(future)
}
