//! Wrong backends, to prove that the conformance suite would notice a lie.
//!
//! A mutant is the real in-memory backend with one sentence broken: its source is copied, one text in it replaced
//! ([`Patch`]), and the result compiled. So a mutant never drifts away from the backend that it distorts, and a patch that
//! no longer applies fails the build.

mod clearing;
mod patch;
mod patches;
mod server;
mod wrapper;

use std::sync::Arc;

use concurrency_core::Backend;

use self::server::{Opened, Server};
pub use self::{patch::Patch, patches::PATCHES};

/// A wrong backend.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// The component that it breaks: `state`, `cache`, `lock` or `event`.
    pub kind: &'static str,
    /// The sentences that it breaks.
    pub sentences: &'static [&'static str],
    start: fn() -> Connect,
}

/// Opens another client of a mutant's data.
pub type Connect = Arc<dyn Fn() -> Arc<dyn Backend> + Send + Sync>;

impl Mutant {
    /// A fresh server of this kind; each call of the result is another client of it.
    #[must_use]
    pub fn start(&self) -> Connect {
        (self.start)()
    }
}

macro_rules! mutant {
    ($macro:ident, $kind:ident, $space:ident, $component:ident, $($close:ident)?) => {
        #[allow(unused_macros)]
        macro_rules! $macro {
            ($module:ident, $patch:expr) => {
                Mutant {
                    name: $patch.name,
                    kind: stringify!($kind),
                    sentences: $patch.sentences,
                    start: || {
                        Server::start(|server| {
                            server.$kind = Some(|config, clock| {
                                let space = Arc::new(modules::$module::$kind::$space::new(config, clock));
                                let closing = Arc::clone(&space);
                                Opened {
                                    open: Box::new(move |session| {
                                        Arc::new(modules::$module::$kind::$component::open(Arc::clone(&space), session))
                                    }),
                                    close: Box::new(move |session| {
                                        let _ = (&closing, session);
                                        $(closing.$close(session);)?
                                    }),
                                }
                            });
                        })
                    },
                }
            };
        }
    };
}
mutant!(state_mutant, state, StateSpace, MemoryState,);
mutant!(cache_mutant, cache, CacheSpace, MemoryCache,);
mutant!(lock_mutant, lock, LockSpace, MemoryLock, release_all_of);
mutant!(event_mutant, event, EventSpace, MemoryEvents,);

/// All mutants.
#[must_use]
pub fn all() -> Vec<Mutant> {
    let patched: Vec<Mutant> = include!(concat!(env!("OUT_DIR"), "/entries.rs")).into();
    patched.into_iter().chain(wrapper::all()).chain(clearing::all()).collect()
}

mod modules {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
