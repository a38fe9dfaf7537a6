//! The store as a whole.

use super::*;

mod basics;
