//! What they do, each in a loop until it is over.

use concurrency_core::{AppendOptions, Bytes, Claim, Delivery, Expiry, NewEvent, SaveOptions};

use super::*;

/// Writes of one key by one task, each with a number of its own.
#[derive(Default)]
struct Written {
    key: String,
    last: u64,
    /// Acknowledged, and not known to be gone.
    done: Vec<u64>,
    /// What else can be there: nobody knows, or it was acknowledged and gone. A second failover can bring back what the first one took:
    /// the sentinels choose a server that had taken it, and has not followed another since.
    possible: HashSet<u64>,
    /// Conflicts in a row with nothing but what was there.
    in_vain: u32,
}

impl Written {
    fn of(number: usize) -> Self {
        Self { key: format!("k{number}"), ..Self::default() }
    }

    fn next(&mut self) -> (u64, Bytes) {
        self.last += 1;
        (self.last, format!("{} {}", self.key, self.last).into())
    }

    fn ended(&mut self, number: u64, result: Result<(), Error>) -> Result<(), Error> {
        match &result {
            Ok(()) => self.done.push(number),
            Err(error) if error.outcome() != Outcome::NotApplied => drop(self.possible.insert(number)),
            Err(_) => {}
        }
        result
    }

    /// It was refused because of another version, and then this is there.
    fn is_refused(&mut self, number: u64, base: u64, now: u64) {
        assert!(now != number, "{}: {number} was refused, and is there", self.key);
        // Once it may be that there was another log in between.
        self.in_vain = if now == base { self.in_vain + 1 } else { 0 };
        assert!(self.in_vain < 5, "{}: {number} conflicts with {base}, which it was to follow", self.key);
    }

    /// This is there now, and what was written after it is gone.
    fn found(&mut self, value: Option<&Bytes>, seen: &Seen) -> u64 {
        let text = value.map(|value| std::str::from_utf8(value).unwrap());
        let number = text.map_or(0, |text| {
            let (key, number) = text.split_once(' ').unwrap();
            assert_eq!(key, self.key, "somebody else's answer");
            number.parse().unwrap()
        });
        let is_ours = number == 0 || self.done.contains(&number) || self.possible.contains(&number);
        assert!(is_ours, "{}: {number} was refused, or never written", self.key);
        let lost: Vec<_> = self.done.extract_if(.., |done| *done > number).collect();
        seen.lost.fetch_add(lost.len(), Ordering::AcqRel);
        self.possible.extend(lost);
        number
    }
}

/// Saves under the version that it has seen.
pub(super) async fn counts(store: Arc<dyn StateStore>, number: usize, shared: Arc<Shared>, seen: Arc<Seen>) {
    let mut written = Written::of(number);
    let mut turn = async || -> Result<(), Error> {
        let state = store.load(&written.key).await?;
        let mut base = written.found(state.as_ref().map(|state| &state.value), &seen);
        let mut options = match state {
            Some(state) => SaveOptions::new().if_version(state.version),
            None => SaveOptions::new().if_absent(),
        };
        for _ in 0..20 {
            let (number, value) = written.next();
            match store.save(&written.key, value, options).await {
                Err(error) if error.is_conflict() => {
                    // Ours alone: what it was is gone, or an attempt without an answer came through.
                    let now = store.load(&written.key).await?;
                    let now = written.found(now.as_ref().map(|state| &state.value), &seen);
                    written.is_refused(number, base, now);
                    return Ok(());
                }
                result => {
                    options = SaveOptions::new();
                    let version = result.as_ref().ok().copied();
                    written.ended(number, result.map(drop))?;
                    (base, written.in_vain) = (number, 0);
                    options = version.map_or(options, |version| options.if_version(version));
                }
            }
        }
        Ok(())
    };
    while !shared.is_over() {
        seen.ended(turn().await);
    }
}

/// Sets and reads.
pub(super) async fn sets(cache: Arc<dyn Cache>, number: usize, shared: Arc<Shared>, seen: Arc<Seen>) {
    let mut written = Written::of(number);
    let mut turn = async || -> Result<(), Error> {
        let found = cache.get(&written.key).await?;
        written.found(found.as_ref(), &seen);
        let (number, value) = written.next();
        let set = cache.set(&written.key, value, Expiry::Never).await;
        written.ended(number, set)
    };
    while !shared.is_over() {
        seen.ended(turn().await);
    }
}

/// Takes the one name, writes what it guards, and gives it back.
pub(super) async fn holds(lock: Arc<dyn Lock>, shared: Arc<Shared>, seen: Arc<Seen>) {
    let turn = async || -> Result<(), Error> {
        let before = shared.highest.load(Ordering::SeqCst);
        let lease = lock.acquire(&Claim::new("k", TTL).unwrap(), PATIENCE).await?;
        let token = lease.fencing_token();
        assert!(token.0 > before, "{token:?} was granted after {before}");
        shared.highest.fetch_max(token.0, Ordering::SeqCst);
        let other = shared.inside.lock().unwrap().replace((token.0, lease.deadline()));
        let twice = other.is_some_and(|(_, deadline)| !deadline.has_passed());
        shared.held_twice.fetch_add(usize::from(twice), Ordering::AcqRel);
        let renewed = lock.renew(&lease).await;
        match shared.elsewhere.save("k", "v".into(), SaveOptions::new().fenced_by(token)).await {
            Ok(_) => {}
            Err(Error::Fenced { seen, .. }) => {
                assert!(seen > token, "{token:?} was refused because of {seen:?}");
                shared.caught.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => panic!("{error:?}"),
        }
        {
            let mut inside = shared.inside.lock().unwrap();
            if inside.is_some_and(|(now, _)| now == token.0) {
                *inside = None;
            }
        }
        match renewed {
            Err(Error::LeaseLost { .. }) => drop(seen.lost.fetch_add(1, Ordering::AcqRel)),
            renewed => drop(renewed?),
        }
        lock.release(lease.claim(), Some(token)).await.map(drop)
    };
    while !shared.is_over() {
        seen.ended(turn().await);
    }
}

/// Appends to a stream of its own.
pub(super) async fn appends(store: Arc<dyn EventStore>, number: usize, shared: Arc<Shared>, seen: Arc<Seen>) {
    let (stream, appends) = (format!("s{number}"), &shared.appends);
    let turn = async || -> Result<(), Error> {
        let event = NewEvent::new("e", stream.clone());
        let (id, before) = (event.id, appends.highest());
        match store.append(&stream, vec![event], AppendOptions::new()).await {
            Ok(appended) => {
                assert!(appended.position > before, "{} was given after {before}", appended.position);
                appends.done.lock().unwrap().push((id, appended.position));
                Ok(())
            }
            Err(error) => {
                if error.outcome() != Outcome::NotApplied {
                    appends.unknown.lock().unwrap().insert(id);
                }
                Err(error)
            }
        }
    };
    while !shared.is_over() {
        seen.ended(turn().await);
        // A log that everybody can read in the end.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Reads everything, and begins anew where the log says that it was lost.
pub(super) async fn follows(store: Arc<dyn EventStore>, shared: Arc<Shared>, seen: Arc<Seen>) {
    let (appends, mut last) = (&shared.appends, Position::START);
    let mut subscription = Subscription::new(Arc::clone(&store), None);
    loop {
        let next = tokio::select! {
            next = subscription.next() => next,
            () = shared.over() => break,
        };
        match next {
            Ok(Delivery::Event(event)) => {
                assert!(event.position > last, "{} came behind {last}", event.position);
                assert_eq!(event.data, event.stream.as_bytes(), "somebody else's");
                last = event.position;
                appends.delivered.lock().unwrap().insert(event.id);
                *appends.follower_at.lock().unwrap() = last;
                seen.succeeded();
            }
            Err(Error::LogRewound) => {
                appends.rewound.fetch_add(1, Ordering::AcqRel);
                last = Position::START;
                subscription = Subscription::new(Arc::clone(&store), None);
            }
            Err(error) => seen.ended(Err(error)),
            Ok(_) => {}
        }
    }
    let (done, unknown) = (appends.done.lock().unwrap(), appends.unknown.lock().unwrap());
    println!("{} events in the end, {} of which nobody knows", done.len(), unknown.len());
}
