//! The files of an instance.

use std::path::{Path, PathBuf};

/// Longest path of a Unix socket: `sun_path` of unix(7) has 108 bytes, with the terminating zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// The directory of an instance, and what lies where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    directory: PathBuf,
}

impl Files {
    /// The files within `directory`.
    pub fn new(directory: PathBuf) -> Files {
        Files { directory }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The image that was booted.
    pub fn image(&self) -> PathBuf {
        self.directory.join(image::FILE_NAME)
    }

    /// What the appliance printed.
    pub fn console(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    /// What the VMM printed.
    pub fn vmm_log(&self) -> PathBuf {
        self.directory.join("vmm.log")
    }

    /// QEMU's control socket; `None` if its path would be too long for one.
    pub fn qmp(&self) -> Option<PathBuf> {
        let path = self.directory.join("qmp.sock");
        (path.as_os_str().len() <= LONGEST_SOCKET_PATH).then_some(path)
    }

    /// What is known of the instance.
    pub fn record(&self) -> PathBuf {
        self.directory.join("instance.json")
    }

    /// Exists once someone asked the instance to stop: then its end is no failure.
    pub fn stop_mark(&self) -> PathBuf {
        self.directory.join("stopping")
    }
}
