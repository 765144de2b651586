//! What the suite cannot see: copies of one request that arrive in another order.

use servers::{Kind, Server, Setup};

use super::*;
use crate::{Redis, RedisConfig};

const LIMIT: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);
const FIRST: [u8; 16] = [1; 16];
const SECOND: [u8; 16] = [2; 16];

async fn cache(server: &Server, clear: CacheClear) -> Arc<RedisCache> {
    let config = RedisConfig::from_url(server.url()).unwrap().cache_clear(clear).operation_timeout(LIMIT);
    Redis::connect(config).await.unwrap().cache("ns").unwrap()
}

/// One copy of a request for a reservation.
async fn reserve(cache: &RedisCache, key: &str, tickets: &[[u8; 16]]) -> i64 {
    let call = cache.calls().reserve(key, tickets, Ttl::new(HOUR).unwrap());
    match cache.client.call(&script::RESERVE, &call, Repeat::Never, cache.deadline()).await.unwrap().value {
        Value::Int(said) => said,
        other => panic!("{other:?}"),
    }
}

fn ticket(key: &str, token: [u8; 16]) -> Ticket {
    Ticket { key: key.into(), token }
}

// C-20
#[tokio::test]
async fn a_copy_that_comes_after_a_remove_revives_no_ticket() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    for clear in [CacheClear::Scan, CacheClear::Generation] {
        let cache = cache(&server, clear).await;
        // The first copy is held back; its repeat is answered, and the load begins.
        assert_eq!(reserve(&cache, "k", &[SECOND, FIRST]).await, 1);
        assert!(!cache.remove("k").await.unwrap());
        assert_eq!(reserve(&cache, "k", &[FIRST]).await, 1);
        assert!(!cache.fill(ticket("k", SECOND), "old".into(), Expiry::Never).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), None);
        cache.clear().await.unwrap();
    }
}

#[tokio::test]
async fn a_repeat_finds_what_a_copy_before_it_has_reserved() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let cache = cache(&server, CacheClear::Scan).await;
    assert_eq!(reserve(&cache, "k", &[FIRST]).await, 1);
    assert_eq!(reserve(&cache, "k", &[SECOND, FIRST]).await, 2);
    assert_eq!(reserve(&cache, "k", &[[3; 16]]).await, 0);
    assert!(cache.fill(ticket("k", FIRST), "new".into(), Expiry::Never).await.unwrap());
    // A call that is dropped does not know which of its copies was carried out.
    for tickets in [[SECOND, FIRST], [FIRST, SECOND]] {
        assert_eq!(reserve(&cache, "j", &[FIRST]).await, 1);
        let call = cache.calls().give_back("j", &tickets);
        assert!(!cache.write(&script::REMOVE, &call, Repeat::UntilAnswered).await.unwrap());
    }
    assert_eq!((cache.reserved().await.unwrap(), cache.get("k").await.unwrap().as_deref()), (0, Some(&b"new"[..])));
}
