//! Keys, and the order in which they are asked for.

use bytes::Bytes;

/// What is asked for.
#[derive(Debug)]
pub struct Workload {
    /// What it is called.
    pub name: &'static str,
    /// All keys.
    pub keys: Vec<String>,
    /// Indexes of keys, in the order of the questions.
    pub trace: Vec<u32>,
}

/// How many questions a trace has; it begins again after that.
const QUESTIONS: usize = 1 << 20;

impl Workload {
    /// A thousand keys, each as often as the other: everything fits the processor's caches.
    #[must_use]
    pub fn uniform() -> Self {
        let mut rng = fastrand::Rng::with_seed(1);
        Self { name: "1,000 uniform keys", keys: keys(1000), trace: (0..QUESTIONS).map(|_| rng.u32(..1000)).collect() }
    }

    /// A hundred thousand keys, a few of them asked for most of the time.
    #[must_use]
    pub fn zipf() -> Self {
        Self { name: "100,000 Zipf keys", keys: keys(100_000), trace: zipf(100_000, 0.99, QUESTIONS, 2) }
    }
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("user:{i:06}:profile")).collect()
}

/// The value of every key.
#[must_use]
pub fn value() -> Bytes {
    Bytes::from(vec![7; 100])
}

/// Indexes drawn by Zipf's law: that of rank n with a probability proportional to 1 / n^exponent. Ranks are spread over
/// the indexes, so that neighbours in memory are not neighbours in rank.
///
/// # Panics
/// If there are no keys, or more than an index can name.
#[must_use]
pub fn zipf(keys: usize, exponent: f64, questions: usize, seed: u64) -> Vec<u32> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut sum = 0.0;
    let cumulated: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    let mut indexes: Vec<u32> = (0..u32::try_from(keys).expect("fewer keys than that")).collect();
    rng.shuffle(&mut indexes);
    let draw = |_| {
        let drawn = rng.f64() * sum;
        indexes[cumulated.partition_point(|reached| *reached < drawn).min(keys - 1)]
    };
    (0..questions).map(draw).collect()
}
