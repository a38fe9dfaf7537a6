//! Debian's kernel and busybox: downloaded by apt once, unpacked, and kept.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::PeerError;

/// The package that depends on the current kernel for virtual machines.
const KERNEL: &str = "linux-image-cloud-amd64";
const BUSYBOX: &str = "busybox-static";

/// Where the packages were unpacked.
#[derive(Clone, Debug)]
pub(super) struct Packages {
    root: PathBuf,
}

impl Packages {
    /// Those kept from before, or else downloads them.
    pub(super) fn obtain() -> Result<Packages, PeerError> {
        let root = cache_directory()?;
        let packages = Packages { root };
        if packages.kernel().is_err() || !packages.busybox().is_file() {
            packages.download()?;
        }
        packages.kernel().map(|_| packages)
    }

    /// The kernel's image.
    pub(super) fn kernel(&self) -> Result<PathBuf, PeerError> {
        let boot = self.root.join("boot");
        let mut images: Vec<PathBuf> = fs::read_dir(&boot)
            .map_err(|error| PeerError::file("cannot list", &boot, error))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
            .collect();
        images.sort();
        images.pop().ok_or_else(|| PeerError::Missing(format!("there is no kernel in {}", boot.display())))
    }

    /// Its release, as `uname -r` has it.
    pub(super) fn release(&self) -> Result<String, PeerError> {
        let kernel = self.kernel()?;
        let name = kernel.file_name().unwrap_or_default().to_string_lossy();
        Ok(name.trim_start_matches("vmlinuz-").to_owned())
    }

    /// Where its modules lie.
    pub(super) fn modules(&self) -> Result<PathBuf, PeerError> {
        Ok(self.root.join("lib/modules").join(self.release()?).join("kernel"))
    }

    /// busybox, linked statically.
    pub(super) fn busybox(&self) -> PathBuf {
        self.root.join("bin/busybox")
    }

    /// Downloads and unpacks beside the place, then moves there: nobody finds half of it.
    fn download(&self) -> Result<(), PeerError> {
        let parent = self.root.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(|error| PeerError::file("cannot make", parent, error))?;
        let folder = tempfile::tempdir_in(parent).map_err(|error| PeerError::file("cannot write to", parent, error))?;
        let kernel = current_kernel()?;
        run(Command::new("apt-get").args(["download", "-q", &kernel, BUSYBOX]).current_dir(folder.path()))?;
        let unpacked = folder.path().join("unpacked");
        let archives =
            fs::read_dir(folder.path()).map_err(|error| PeerError::file("cannot list", folder.path(), error))?;
        for archive in archives.flatten().map(|entry| entry.path()) {
            if archive.extension().is_some_and(|suffix| suffix == "deb") {
                run(Command::new("dpkg-deb").arg("-x").args([&archive, &unpacked]))?;
            }
        }
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PeerError::file("cannot remove", &self.root, error));
            }
            _ => {}
        }
        fs::rename(&unpacked, &self.root).map_err(|error| PeerError::file("cannot make", &self.root, error))
    }
}

/// The package that the kernel's name stands for now.
fn current_kernel() -> Result<String, PeerError> {
    let text = run(Command::new("apt-cache").args(["depends", "--important", KERNEL]))?;
    let depends = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    depends.map(str::to_owned).ok_or_else(|| {
        PeerError::Missing(format!("apt knows no package {KERNEL}: is this Debian? try `apt-get update`"))
    })
}

/// `memstorm/linux-guest` where the user's programs keep what they can get again.
fn cache_directory() -> Result<PathBuf, PeerError> {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    let cache = cache.ok_or_else(|| PeerError::Missing("there is no home directory; set XDG_CACHE_HOME".to_owned()))?;
    Ok(cache.join("memstorm/linux-guest"))
}

/// Runs a program to its end. Returns what it printed.
pub(super) fn run(command: &mut Command) -> Result<String, PeerError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| PeerError::Missing(format!("cannot start {program}: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(PeerError::Missing(format!(
        "{program}: {}",
        error.trim().lines().last().unwrap_or("failed, and does not say why")
    )))
}
