//! How cases are listed, once, for the tests, the runner and the report.

use std::pin::Pin;

use crate::{Component, Context, Declared};

/// How deep a case looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One client, one sentence after the other.
    Sentences = 1,
    /// Many tasks on few keys.
    Races = 2,
    /// Random sequences against the in-memory model.
    Model = 3,
    /// Recorded histories, judged by a checker.
    Histories = 4,
}

impl Level {
    /// From its number.
    ///
    /// # Panics
    /// For any number but 1 to 4.
    #[must_use]
    pub const fn of(number: u8) -> Self {
        match number {
            1 => Self::Sentences,
            2 => Self::Races,
            3 => Self::Model,
            4 => Self::Histories,
            _ => panic!("levels are 1 to 4"),
        }
    }
}

/// A case under way. It stays on its thread, so that it may use asynchronous closures freely.
pub type Running = Pin<Box<dyn Future<Output = ()>>>;

/// One case of the suite.
#[derive(Debug)]
pub struct Case<C: Component + ?Sized> {
    /// Its name: that of its function.
    pub name: &'static str,
    /// The module it stands in.
    pub group: &'static str,
    /// How deep it looks.
    pub level: Level,
    /// The ids of the sentences of `docs/contract.md` that it proves.
    pub sentences: &'static [&'static str],
    /// Whether it applies to what a component declares.
    pub needs: fn(&Declared<C::Capabilities>) -> bool,
    /// The case itself; it panics where a sentence is broken.
    pub run: fn(Context<C>) -> Running,
}

/// Lists the cases of one trait: as `CASES`, and as the exported macro that makes a `#[test]` of each.
///
/// A line is `name level [ids];` or `name level [ids] if |declared| condition;` below the name of its module.
macro_rules! suite {
    (
        $d:tt $kind:ident, $module:ident, $macro:ident;
        $($group:ident { $($name:ident $level:literal [$($id:literal),+ $(,)?] $(if $needs:expr)?;)* })*
    ) => {
        /// All cases, in the order of the contract.
        pub const CASES: &[$crate::Case<dyn concurrency_core::$kind>] = &[$($(
            $crate::Case {
                name: stringify!($name),
                group: stringify!($group),
                level: $crate::Level::of($level),
                sentences: &[$($id),+],
                needs: suite!(@needs $($needs)?),
                run: |cx| Box::pin($group::$name(cx)),
            },
        )*)*];

        /// One `#[test]` per case; takes an expression that makes a [`Harness`](crate::Harness).
        #[macro_export]
        macro_rules! $macro {
            ($d harness:expr) => {
                mod $module {
                    #[allow(unused_imports)]
                    use super::*;
                    $(mod $group {
                        #[allow(unused_imports)]
                        use super::*;
                        $(#[test]
                        fn $name() {
                            $crate::test($d harness, $crate::$module::CASES, stringify!($group), stringify!($name));
                        })*
                    })*
                }
            };
        }
    };
    (@needs) => { |_| true };
    (@needs $needs:expr) => { $needs };
}
