//! Random inputs that shrink, for asynchronous properties.

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// How often a failing input is made simpler at most.
const MAX_SHRINKS: usize = 400;

/// Checks `property` on `rounds` inputs drawn from `strategy` under `seed`; a failing input is shrunk first.
///
/// # Panics
/// With the simplest failing input and what the property says of it.
pub async fn check<S: Strategy>(
    seed: u64,
    rounds: usize,
    strategy: &S,
    mut property: impl AsyncFnMut(S::Value) -> Result<(), String>,
) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for round in 0..rounds {
        let mut tree = strategy.new_tree(&mut runner).expect("the strategy gives values");
        let Err(mut why) = property(tree.current()).await else { continue };
        let mut simplest = tree.current();
        let mut shrinks = 0;
        while shrinks < MAX_SHRINKS && tree.simplify() {
            loop {
                shrinks += 1;
                match property(tree.current()).await {
                    Err(reason) => {
                        (why, simplest) = (reason, tree.current());
                        break;
                    }
                    Ok(()) if shrinks < MAX_SHRINKS && tree.complicate() => {}
                    Ok(()) => break,
                }
            }
        }
        panic!("round {round} of seed {seed}, after {shrinks} shrinks: {why}\nsimplest input: {simplest:#?}");
    }
}
