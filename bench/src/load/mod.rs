//! The load generator: requests at a given rate, and how long the answers took.
//!
//! ```text
//! wire    what carries requests and answers, as a contract
//! ```

pub mod wire;
