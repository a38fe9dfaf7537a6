//! Huge pages, set aside for guests whose memory is shared, for as long as a comparison lasts.

use std::fs;
use std::path::{Path, PathBuf};

/// How many there are and how many of them are free, of 2 MiB each (Linux `Documentation/admin-guide/mm/hugetlbpage.rst`).
const FOLDER: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const PAGE_MIB: u32 = 2;

/// Whether Linux gives huge pages of its own accord, to those who ask or to all.
const TRANSPARENT: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Pages that were set aside, given back with this value.
#[derive(Debug)]
pub struct HugePages {
    total: PathBuf,
    before: u32,
}

impl HugePages {
    /// Sees to it that so much memory is free in huge pages. `None` if it is already, or cannot be had: a comparison goes on with
    /// small ones, as each server's flags show.
    pub fn set_aside(mib: u32) -> Option<HugePages> {
        HugePages::in_folder(Path::new(FOLDER), mib)
    }

    fn in_folder(folder: &Path, mib: u32) -> Option<HugePages> {
        let total = folder.join("nr_hugepages");
        let free = || read(&folder.join("free_hugepages"));
        let (before, wanted) = (read(&total)?, mib.div_ceil(PAGE_MIB));
        let missing = wanted.checked_sub(free()?).filter(|missing| *missing > 0)?;
        let pages = HugePages { total, before };
        fs::write(&pages.total, (before + missing).to_string()).ok()?;
        // Linux sets aside what it finds, and says nothing; too few are given back.
        (free()? >= wanted).then_some(pages)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.total, self.before.to_string()) {
            eprintln!("cannot give huge pages back: {}: {error}", self.total.display());
        }
    }
}

/// Whether a process may have transparent huge pages.
pub(super) fn are_transparent() -> bool {
    fs::read_to_string(TRANSPARENT).is_ok_and(|text| !text.contains("[never]"))
}

fn read(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(total: &str, free: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("nr_hugepages"), total).unwrap();
        fs::write(folder.path().join("free_hugepages"), free).unwrap();
        folder
    }

    #[test]
    fn what_cannot_be_had_is_given_back() {
        // Linux would change what is free; here it finds none.
        let folder = folder("7\n", "3\n");
        assert!(HugePages::in_folder(folder.path(), 64).is_none());
        assert_eq!(read(&folder.path().join("nr_hugepages")), Some(7));
    }

    #[test]
    fn enough_is_enough() {
        let folder = folder("40\n", "32\n");
        assert!(HugePages::in_folder(folder.path(), 64).is_none());
        assert_eq!(fs::read_to_string(folder.path().join("nr_hugepages")).unwrap(), "40\n", "not even touched");
        assert!(HugePages::in_folder(Path::new("/nowhere"), 64).is_none());
    }
}
