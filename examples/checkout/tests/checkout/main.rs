//! The checkout, its jobs, its audit and its demo.

mod audit;
mod demo;
mod http;
mod orders;
mod shop;
mod torn;
mod unfinished;
