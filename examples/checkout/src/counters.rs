//! What an instance counts.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Counts up, from any thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What one instance has done so far.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
        }

        /// The [`Counters`] of one instance, or of several together, at one moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// As they stand.
            #[must_use]
            pub fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }

        impl std::ops::AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Orders that this instance accepted.
    placed,
    /// Requests that were answered from their key.
    repeats,
    /// Commits refused because another request with the same key was faster.
    key_conflicts,
    /// Commits refused because another order changed the stock.
    stock_conflicts,
    /// Orders that this instance charged.
    charged,
    /// Orders found charged at the ledger although their record did not say so yet.
    found_charged,
    /// Orders that this instance settled.
    settled,
    /// Times that somebody else was at, or took over, an order that this instance wanted to bring on.
    overtaken,
    /// Settlements that ran here.
    settlements,
    /// Settlements left alone because another instance was at it.
    settlements_skipped,
    /// Errors of jobs in the background; they try again.
    job_errors,
}
