//! What the sources may depend on and contain. `tests/source.rs` enforces it; `ci figures` prints it.
//!
//! ```text
//! layers    which crate may use which, and what the guest may link
//! unsafety  where unsafe code may stand
//! rust      a Rust file's functions and unsafe code, from its tokens
//! figures   sizes and counts
//! ```

pub mod figures;
pub mod layers;
pub mod rust;
pub mod unsafety;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::repository;

/// A file of the repository.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path from the root of the repository.
    pub path: String,
    /// Content.
    pub text: String,
}

impl SourceFile {
    /// The folder of the workspace that it lies in: its crate, as all crates are named after their folders.
    pub fn krate(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Whether it holds nothing but tests.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

/// The files of all crates whose name ends in one of `extensions`, sorted by path.
pub fn collect_files(extensions: &[&str]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for krate in layers::CRATES {
        collect_below(&repository().join(krate.name), extensions, &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn collect_below(folder: &Path, extensions: &[&str], files: &mut Vec<SourceFile>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            collect_below(&path, extensions, files)?;
        } else if path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted)) {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let path = path.strip_prefix(repository())?.to_string_lossy().into_owned();
            files.push(SourceFile { path, text });
        }
    }
    Ok(())
}
