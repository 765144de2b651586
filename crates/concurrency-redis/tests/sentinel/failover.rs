//! Failovers under load: how long nothing is had, what is lost, and that nothing worse happens.

use concurrency_conformance::fault::outage::{self, Load, Servers};
use concurrency_core::Backend;
use servers::SentinelOutages;

use super::*;

// G-54, G-70, G-71, L-24, E-36
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_all_go_on_and_what_was_lost_is_told() {
    let Some(set) = set() else { return };
    let connect = async || Ok(Arc::new(client(&set).await) as Arc<dyn Backend>);
    let mut load = Load::start(connect).await.unwrap();
    let mut servers = SentinelOutages::new(set);
    for blow in servers.blows() {
        let round = outage::fall(&mut servers, *blow, &mut load).await.unwrap();
        println!("{round}");
        assert_eq!((round.proves_nothing(), round.went_back), (None, 0), "{round}");
    }
    load.end().await.unwrap();
}
