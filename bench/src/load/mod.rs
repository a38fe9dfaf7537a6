//! The load generator: requests at a given rate, and how long the answers took.
//!
//! ```text
//! wire          what carries requests and answers, as a contract      stack  our own stack as one
//! workload      records, their keys and values, and what is asked for
//! lengths       lengths drawn from a distribution
//! distribution  of lengths and times, by mutilate's names     random  uniform numbers
//! ```

pub mod distribution;
#[cfg(test)]
mod goodness;
mod lengths;
pub mod random;
pub mod stack;
pub mod wire;
pub mod workload;
