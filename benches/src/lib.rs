//! Backends, workloads and contenders, shared by the ratios of `cargo xtask bench` and the Criterion benches.
//!
//! A contender is at most forty lines around the fastest call that its library has for the purpose. All of them hold the
//! same keys and values, have room for twice as many, and those that know lifetimes give each value one of an hour.

pub mod backends;
pub mod contenders;
pub mod pairs;
pub mod workload;
