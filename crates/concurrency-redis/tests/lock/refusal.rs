//! Servers and bytes that locks do not go with.

use concurrency_core::{LockCapabilities, Survives};

use super::*;

// L-63
#[tokio::test(flavor = "multi_thread")]
async fn where_leases_can_be_evicted_there_is_no_lock_unless_allowed() {
    for policy in ["allkeys-lru", "volatile-ttl", "volatile-lru"] {
        let Some(stage) = Stage::new(&Setup::new().option("maxmemory-policy", [policy])) else { return };
        let refused = stage.client().await.lock("n").map(drop);
        assert!(matches!(refused, Err(Error::Incompatible { what: "maxmemory-policy", .. })), "{policy}: {refused:?}");
        let allowed = stage.client_with(|config| config.allow_eviction(true)).await;
        let lock = allowed.lock("n").expect("it was allowed");
        let LockCapabilities { survives, evictable, .. } = lock.capabilities();
        assert_eq!((survives, evictable), (Survives::Nothing, true), "{policy}");
        take(&lock, "k", LONG).await;
        let only = RedisConfig::for_namespace().allow_eviction(true);
        let one = stage.client_with(|config| config.namespace("n", only)).await;
        assert!(one.lock("n").is_ok() && one.lock("other").is_err(), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_is_what_the_server_says() {
    for (setup, survives) in [(Setup::new(), Survives::Process), (Setup::new().durable(), Survives::Crash)] {
        let Some(stage) = Stage::new(&setup) else { return };
        let LockCapabilities { survives: declared, evictable, .. } = stage.lock().await.capabilities();
        assert_eq!((declared, evictable), (survives, false));
    }
}

// G-42, G-84
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_under_our_names_and_is_not_ours_stays() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    let lease = take(&lock, "forged", LONG).await;
    for (key, kind) in [("record", "lr"), ("queue", "lq"), ("places", "lp")] {
        let name = format!("concurrency:{kind}:{{n:{key}}}");
        stage.ask::<()>(&format!("DEL {name}"));
        stage.ask::<()>(&format!("LPUSH {name} theirs"));
        let mine = claim(key, LONG);
        let answers = [
            lock.try_acquire(&mine).await.map(drop),
            lock.acquire(&claim(key, LONG), SLACK / 10).await.map(drop),
            lock.release(&mine, None).await.map(drop),
        ];
        // What only those need who wait is in nobody else's way.
        let wanted = if kind == "lp" { [true, false, true] } else { [false; 3] };
        for (answer, is_well) in answers.iter().zip(wanted) {
            let as_wanted = if is_well { answer.is_ok() } else { matches!(answer, Err(Error::Decode { .. })) };
            assert!(as_wanted, "{key}: {answers:?}");
        }
        assert_eq!(stage.ask::<Vec<String>>(&format!("LRANGE {name} 0 -1")), ["theirs"]);
    }
    let record = "concurrency:lr:{n:forged}";
    for (bytes, is_newer) in
        [(&b"something else"[..], false), (b"", false), (b"\xC1", false), (b"\xC1\x02 newer", true)]
    {
        let _: () = redis::cmd("SET").arg(record).arg(bytes).query(&mut stage.raw()).expect("set");
        let answers = [
            lock.try_acquire(&claim("forged", LONG)).await.map(drop),
            lock.holder("forged").await.map(drop),
            lock.renew(&lease).await.map(drop),
            lock.release(&claim("forged", LONG), None).await.map(drop),
        ];
        for answer in answers {
            match answer {
                Err(Error::Incompatible { what: "stored format", .. }) if is_newer => {}
                Err(Error::Decode { .. }) if !is_newer => {}
                other => panic!("{bytes:?}: {other:?}"),
            }
        }
        assert_eq!(stage.raw().get::<_, Vec<u8>>(record).expect("answered"), bytes);
    }
}
