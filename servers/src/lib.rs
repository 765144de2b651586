//! Real servers for the tests and tools of this repository.
//!
//! A [`Server`] is one that was started for whoever holds it: on a free port of this machine alone, with a throw-away
//! folder or container. It ends with the value, after a panic as well; and where the whole process is killed, or leaves
//! without a word (Ctrl-C, `exit`, a static), a [`Guardian`] notices and ends it. Nothing that this package has not
//! started itself is ever stopped or emptied.
//!
//! [`Sentinels`] are a primary, its replicas and those who watch them, with all that can happen to such a set.
//!
//! Where servers come from is a [`Via`]: programs of this machine, containers, or whatever runs at a URL. On a server that
//! others use, too, a [`Corner`] keeps what is ours apart, and takes it away again.
//!
//! ```no_run
//! use servers::{Data, Kind, Server, Setup};
//!
//! # fn main() -> Result<(), servers::Unavailable> {
//! let mut redis = Server::start(Kind::Redis, None, &Setup::new().durable())?;
//! println!("{} at {}", redis, redis.url());
//! redis.kill()?;
//! redis.restart(Data::Kept)?;
//! # Ok(())
//! # }
//! ```
//!
//! All calls block, and may be made inside a runtime, too: what they wait for is over in about a second.

mod compose;
#[cfg(feature = "containers")]
mod container;
mod corner;
mod engine;
mod guardian;
mod kind;
mod local;
#[cfg(feature = "outages")]
mod outages;
mod ports;
mod probe;
mod program;
mod resp;
mod sentinel;
mod server;
mod setup;
mod testing;
mod unavailable;
mod via;

#[cfg(feature = "outages")]
pub use self::outages::SentinelOutages;
pub use self::{
    corner::Corner,
    engine::Engine,
    guardian::Guardian,
    kind::Kind,
    ports::free_port,
    sentinel::Sentinels,
    server::{Data, Server},
    setup::Setup,
    testing::{NOT_RUN, REQUIRE, Shared, for_test, sentinels_for_test},
    unavailable::Unavailable,
    via::{VIA, Via},
};
