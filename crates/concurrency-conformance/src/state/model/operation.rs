//! What the model test does.

use std::time::Duration;

use concurrency_core::StateCapabilities;
use proptest::{
    collection::vec,
    prelude::{Just, any},
    prop_oneof,
    sample::select,
    strategy::{BoxedStrategy, Strategy},
};

/// Few keys, so that operations meet; among them twins, and prefixes of one another.
pub(super) const KEYS: [&str; 5] = ["a", "A", "a ", "ab", "b"];

/// One call. Keys are numbers of [`KEYS`].
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Load(usize),
    LoadMany(Vec<usize>),
    Save(Put),
    SaveMany(Vec<Put>),
    Delete(Removal),
    DeleteMany(Vec<usize>),
    Commit(Vec<Step>),
    List { prefix: &'static str, limit: usize },
    Fence(Vec<usize>, u64),
    Wait(Duration),
}

impl Operation {
    pub(super) fn is_bulk(&self) -> bool {
        !matches!(self, Self::Load(_) | Self::Save(_) | Self::Delete(_) | Self::Wait(_))
    }
}

/// A save of one key.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) key: usize,
    pub(super) value: u8,
    pub(super) when: When,
    pub(super) lifetime: Lifetime,
    pub(super) token: Option<u64>,
}

/// A delete of one key.
#[derive(Debug, Clone)]
pub(super) struct Removal {
    pub(super) key: usize,
    pub(super) when: When,
    pub(super) token: Option<u64>,
}

/// One step of a commit.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Save(Put),
    Delete(Removal),
    Check { key: usize, when: When },
}

/// A precondition; versions are named by where they come from, because each side has its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    Any,
    Absent,
    Present,
    /// The last version that was given to the key, whether or not it still lives.
    Latest,
    /// The one before.
    Stale,
    /// The last of another key.
    Foreign(usize),
    /// One that nothing ever had.
    Forged,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Lifetime {
    Permanent,
    Keep,
    Of(Duration),
}

fn key() -> impl Strategy<Value = usize> + Clone {
    0..KEYS.len()
}

fn when() -> impl Strategy<Value = When> + Clone {
    prop_oneof![
        3 => Just(When::Any),
        2 => Just(When::Absent),
        2 => Just(When::Present),
        4 => Just(When::Latest),
        1 => Just(When::Stale),
        1 => key().prop_map(When::Foreign),
        1 => Just(When::Forged),
    ]
}

fn token(fencing: bool) -> BoxedStrategy<Option<u64>> {
    if fencing { prop_oneof![2 => Just(None), 1 => (0_u64..5).prop_map(Some)].boxed() } else { Just(None).boxed() }
}

fn lifetime(lifetimes: Vec<Duration>) -> BoxedStrategy<Lifetime> {
    let without = prop_oneof![3 => Just(Lifetime::Permanent), 2 => Just(Lifetime::Keep)];
    if lifetimes.is_empty() {
        return without.boxed();
    }
    prop_oneof![3 => without, 2 => select(lifetimes).prop_map(Lifetime::Of)].boxed()
}

/// Operations that the store declares, with these lifetimes and waits among them.
pub(super) fn operations(
    declared: &StateCapabilities,
    lifetimes: Vec<Duration>,
    waits: Vec<Duration>,
) -> impl Strategy<Value = Operation> {
    let put = (key(), any::<u8>(), when(), lifetime(lifetimes), token(declared.fencing))
        .prop_map(|(key, value, when, lifetime, token)| Put { key, value, when, lifetime, token })
        .boxed();
    let removal =
        (key(), when(), token(declared.fencing)).prop_map(|(key, when, token)| Removal { key, when, token }).boxed();
    let step = prop_oneof![
        3 => put.clone().prop_map(Step::Save),
        1 => removal.clone().prop_map(Step::Delete),
        1 => (key(), when()).prop_map(|(key, when)| Step::Check { key, when }),
    ];
    let mut choices: Vec<(u32, BoxedStrategy<Operation>)> = vec![
        (4, key().prop_map(Operation::Load).boxed()),
        (2, vec(key(), 0..6).prop_map(Operation::LoadMany).boxed()),
        (8, put.clone().prop_map(Operation::Save).boxed()),
        (2, vec(put, 0..4).prop_map(Operation::SaveMany).boxed()),
        (3, removal.prop_map(Operation::Delete).boxed()),
        (1, vec(key(), 0..4).prop_map(Operation::DeleteMany).boxed()),
    ];
    if declared.commit {
        choices.push((4, vec(step, 0..4).prop_map(Operation::Commit).boxed()));
    }
    if declared.list {
        let prefix = select(vec!["", "a", "A", "a ", "ab", "b", "%", "c"]);
        let list = (prefix, 1_usize..6).prop_map(|(prefix, limit)| Operation::List { prefix, limit });
        choices.push((2, list.boxed()));
    }
    if declared.fencing {
        let fence = (vec(key(), 0..3), 0_u64..5).prop_map(|(keys, token)| Operation::Fence(keys, token));
        choices.push((1, fence.boxed()));
    }
    if !waits.is_empty() {
        choices.push((5, select(waits).prop_map(Operation::Wait).boxed()));
    }
    proptest::strategy::Union::new_weighted(choices)
}
