//! What the counts depend on beside our code.

use std::fmt;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::stack::{self, valgrind_version};

/// The compiler and its like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// The compiler's version, and its options if it was given any.
    pub rustc: String,
    /// Valgrind's version.
    pub valgrind: String,
    /// The C library's, whose `memcpy` is counted with us.
    pub libc: String,
}

impl Tools {
    /// Those that this program was built with, and is measured by.
    pub fn here() -> Result<Tools, stack::Error> {
        let valgrind = valgrind_version()?;
        let libc = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok();
        let libc = libc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let libc = libc.filter(|version| !version.is_empty()).unwrap_or_else(|| "unknown".to_owned());
        Ok(Tools { rustc: env!("BENCH_COMPILER").to_owned(), valgrind, libc })
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rustc {}, valgrind {}, {}", self.rustc, self.valgrind, self.libc)
    }
}
