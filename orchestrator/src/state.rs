//! The state directory: where every later command finds the instances again.
//!
//! ```text
//! STATE/.lock                 held while a name is being taken
//! STATE/NAME/instance.json    a Record
//! STATE/NAME/memstorm.elf     the image that was booted
//! STATE/NAME/console.log, vmm.log, qmp.sock, stopping
//! ```
//!
//! An entry outlives its VMM, so that the console of one that crashed can be read. It goes when the instance is stopped, or
//! when its name is taken again.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::{Error, Files, Record};

/// What an unnamed instance is called.
const DEFAULT_NAME: &str = "memstorm";
/// Longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// The state directory.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
}

/// An instance that the state directory knows.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is known of it.
    pub record: Record,
    /// Its files.
    pub files: Files,
}

impl Entry {
    /// Whether its VMM runs.
    pub fn is_running(&self) -> bool {
        self.record.process.is_running()
    }
}

/// A name taken for a new instance, with its empty directory. No other name is given out while this lives; if it is dropped
/// before a record was written, the name is free again.
#[derive(Debug)]
pub struct Reservation {
    /// The name.
    pub name: String,
    /// The files to be.
    pub files: Files,
    state: StateDir,
    recorded: bool,
    _lock: File,
}

impl StateDir {
    /// `MEMSTORM_STATE_DIR`, else `memstorm` in `XDG_RUNTIME_DIR` or `/run/user/UID`, else `/tmp/memstorm-UID`.
    pub fn resolve() -> Result<StateDir, Error> {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if let Some(root) = env::var_os("MEMSTORM_STATE_DIR").filter(|value| !value.is_empty()) {
            let root = std::path::absolute(&root).map_err(|error| failed("cannot use", Path::new(&root), error))?;
            return StateDir::at(root);
        }
        let uid = rustix::process::getuid().as_raw();
        let of_session = PathBuf::from(format!("/run/user/{uid}"));
        match absolute("XDG_RUNTIME_DIR").or(Some(of_session)).filter(|path| path.is_dir()) {
            Some(runtime) => StateDir::at(runtime.join("memstorm")),
            None => StateDir::at(PathBuf::from(format!("/tmp/memstorm-{uid}"))),
        }
    }

    /// The state directory at `root`, made if it is missing. It must be the caller's own: what lies in it is executed.
    pub fn at(root: PathBuf) -> Result<StateDir, Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&root);
        made.map_err(|error| failed("cannot make", &root, error))?;
        let metadata = fs::metadata(&root).map_err(|error| failed("cannot use", &root, error))?;
        if metadata.uid() != rustix::process::getuid().as_raw() {
            let foreign = io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user");
            return Err(failed("cannot use", &root, foreign));
        }
        Ok(StateDir { root })
    }

    /// Every instance, running or not, by name. What is not an instance's directory is passed over.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let listing = fs::read_dir(&self.root).map_err(|error| failed("cannot list", &self.root, error))?;
        let mut entries: Vec<Entry> = listing.flatten().filter_map(|file| read(file.path())).collect();
        entries.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        Ok(entries)
    }

    /// The instance that the user means: the one of this name, else the only one that runs.
    pub fn find(&self, name: Option<&str>) -> Result<Entry, Error> {
        let mut entries = self.list()?;
        if let Some(name) = name {
            let known = entries.iter().map(|entry| entry.record.name.clone()).collect();
            let found = entries.into_iter().find(|entry| entry.record.name == name);
            return found.ok_or_else(|| Error::NoSuchInstance { name: name.to_owned(), known });
        }
        if entries.len() > 1 {
            entries.retain(Entry::is_running);
        }
        match entries.len() {
            1 => Ok(entries.remove(0)),
            _ => Err(Error::WhichInstance(entries.into_iter().map(|entry| entry.record.name).collect())),
        }
    }

    /// Takes a name for a new instance: this one, or the first free one of `memstorm`, `memstorm-2` and so on. The name of an
    /// instance that no longer runs is free.
    pub fn reserve(&self, name: Option<&str>) -> Result<Reservation, Error> {
        name.map_or(Ok(()), check_name)?;
        let lock = self.lock()?;
        let taken = |name: &str| read(self.root.join(name)).is_some_and(|entry| entry.is_running());
        let name = match name {
            Some(name) if taken(name) => return Err(Error::NameTaken(name.to_owned())),
            Some(name) => name.to_owned(),
            None => {
                let numbered = (2..).map(|number: u32| format!("{DEFAULT_NAME}-{number}"));
                let mut names = std::iter::once(DEFAULT_NAME.to_owned()).chain(numbered);
                names.find(|name| !taken(name)).unwrap_or_default()
            }
        };
        let files = self.files(&name);
        remove(files.directory())?;
        let directory = files.directory();
        DirBuilder::new().mode(0o700).create(directory).map_err(|error| failed("cannot make", directory, error))?;
        Ok(Reservation { name, files, state: self.clone(), recorded: false, _lock: lock })
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files that an instance of this name has, or would have.
    pub fn files(&self, name: &str) -> Files {
        Files::new(self.root.join(name))
    }

    /// The running instance of ours that forwards this port of loopback.
    pub fn user_of_port(&self, port: u16) -> Option<String> {
        let forwards = |entry: &Entry| entry.record.address.is_some_and(|a| a.ip().is_loopback() && a.port() == port);
        let entries = self.list().unwrap_or_default();
        entries.into_iter().find(|entry| forwards(entry) && entry.is_running()).map(|entry| entry.record.name)
    }

    /// Writes what is known of an instance. Readers see the old record or the new one, never a part.
    pub(crate) fn write(&self, record: &Record) -> Result<(), Error> {
        let path = self.files(&record.name).record();
        let partial = path.with_extension("json.new");
        let written = serde_json::to_vec_pretty(record)
            .map_err(io::Error::from)
            .and_then(|json| fs::write(&partial, json))
            .and_then(|()| fs::rename(&partial, &path));
        written.map_err(|error| failed("cannot write", &path, error))
    }

    /// Forgets an instance that does not run any more. If its name was taken again, that one stays.
    pub fn forget(&self, record: &Record) -> Result<(), Error> {
        let _lock = self.lock()?;
        let files = self.files(&record.name);
        match read(files.directory().to_owned()) {
            Some(known) if known.record.process == record.process => remove(files.directory()),
            _ => Ok(()),
        }
    }

    /// No name is given out or forgotten while this file lives.
    fn lock(&self) -> Result<File, Error> {
        let path = self.root.join(".lock");
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|error| failed("cannot lock", &path, error))
    }
}

impl Reservation {
    /// Makes the instance known, and lets go of the lock.
    pub(crate) fn record(mut self, record: &Record) -> Result<(), Error> {
        self.state.write(record)?;
        self.recorded = true;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.recorded {
            // Best effort: what stays is taken for no instance, and goes when the name is taken again.
            let _ = remove(self.files.directory());
        }
    }
}

/// The instance in `directory`; `None` if there is none, or none that can be read.
fn read(directory: PathBuf) -> Option<Entry> {
    let files = Files::new(directory);
    let record: Record = serde_json::from_slice(&fs::read(files.record()).ok()?).ok()?;
    let named = files.directory().file_name().is_some_and(|name| name == record.name.as_str());
    named.then_some(Entry { record, files })
}

fn remove(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", directory, error)),
        _ => Ok(()),
    }
}

/// A name is a file name that needs no quotes in a shell, and is no option.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST_NAME && name.bytes().all(plain) {
        return Ok(());
    }
    let rule = format!("letters, digits, '-', '_' and '.', the first a letter or digit, at most {LONGEST_NAME}");
    Err(Error::Usage(format!("--name '{name}': a name is {rule}")))
}

fn failed(what: &'static str, path: &Path, cause: io::Error) -> Error {
    Error::State { what, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests;
