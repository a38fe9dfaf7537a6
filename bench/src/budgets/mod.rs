//! Instructions that requests may cost the server, as recorded in `bench/budgets.toml`: a change that makes one dearer is to
//! be noticed when it is made.
//!
//! ```text
//! case       what is measured          file       the budgets, as they are recorded
//! tools      what the counts depend on verdict    what was measured beside what was recorded
//! ```
//!
//! A count repeats exactly with the same compiler, Valgrind and C library; with others it says nothing.
//!
//! Called by `cli`, which has itself counted by [`stack`](crate::stack).

mod case;
mod file;
mod tools;
mod verdict;

pub use case::{CASES, Case};
pub use file::{Budgets, FileError};
pub use tools::Tools;
pub use verdict::{Change, Row, Verdict, compare};
