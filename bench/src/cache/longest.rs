//! How many instructions the store's longest operation takes, in a guest that has nothing but the store, under QEMU's translator with
//! `-icount shift=0`, where the time-stamp counter counts instructions.

use std::ffi::OsString;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use image::Image;
use serde::Serialize;

use super::CacheError;
use crate::peers::{Child, PeerError};

/// What the guest's lines begin with.
const LINE: &str = "longest: ";
/// What its last line ends with.
const DONE: &str = ", done";
/// How often its console is looked at.
const POLL: Duration = Duration::from_millis(200);
/// Instructions that no operation may exceed.
pub const LONGEST: u64 = 250_000;

/// The longest operations so far, in instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Longest {
    /// Items there are.
    pub items: u64,
    /// Items evicted.
    pub evictions: u64,
    /// New items that there was no memory for.
    pub refused: u64,
    /// A turn boundary.
    pub pass: u64,
    /// A new item.
    pub set: u64,
    /// A new value for a key, or for one that was evicted.
    pub update: u64,
    /// A look-up.
    pub get: u64,
    /// A deletion.
    pub delete: u64,
    /// Operations of fewer than 2^10, 2^12, 2^14, 2^16 and 2^18 instructions, and of more.
    pub below: Vec<u64>,
}

impl Longest {
    /// The longest of all.
    pub fn most(&self) -> u64 {
        [self.pass, self.set, self.update, self.get, self.delete].into_iter().max().unwrap_or_default()
    }

    /// What a line of the console says, if it is one of these.
    fn parse(line: &str) -> Option<Longest> {
        let (numbers, below) = line.trim_end().strip_suffix(DONE).unwrap_or(line).split_once(" below=")?;
        let mut longest = Longest::default();
        for word in numbers[numbers.find(LINE)? + LINE.len()..].split(' ') {
            let (name, value) = word.split_once('=')?;
            let field = match name {
                "items" => &mut longest.items,
                "evictions" => &mut longest.evictions,
                "refused" => &mut longest.refused,
                "pass" => &mut longest.pass,
                "set" => &mut longest.set,
                "update" => &mut longest.update,
                "get" => &mut longest.get,
                "delete" => &mut longest.delete,
                _ => return None,
            };
            *field = value.parse().ok()?;
        }
        let below = below.trim().strip_prefix('[')?.strip_suffix(']')?;
        longest.below = below.split(", ").map(|count| count.parse().ok()).collect::<Option<_>>()?;
        Some(longest)
    }
}

/// Boots `image` on a machine of `memory_mib` MiB and waits until it has measured. Returns what it found whenever its items had doubled,
/// the last of which is the end; `progress` hears of each.
pub fn longest(
    image: &Image,
    memory_mib: u32,
    interrupted: &AtomicBool,
    mut progress: impl FnMut(&Longest),
) -> Result<Vec<Longest>, CacheError> {
    let folder = tempfile::tempdir()?;
    let kernel = folder.path().join("kernel");
    fs::write(&kernel, &image.bytes)?;
    let qemu = orchestrator::find_program("qemu-system-x86_64").ok_or_else(|| {
        PeerError::Missing("QEMU is not on this host: install it with `apt-get install qemu-system-x86`".to_owned())
    })?;
    let fixed = "-nodefaults -no-user-config -no-reboot -display none -M q35 -accel tcg -icount shift=0 -cpu max -serial stdio \
                 -device virtio-rng-pci,disable-legacy=on";
    let mut arguments: Vec<OsString> = fixed.split_ascii_whitespace().map(OsString::from).collect();
    arguments.extend(["-m".into(), format!("{memory_mib}M").into(), "-kernel".into(), kernel.into_os_string()]);
    let mut child = Child::start(&qemu, &arguments, folder.path().join("console"))?;
    let mut found = Vec::new();
    loop {
        // Asked before its lines are read, so that the last ones are not missed.
        let ended = child.check();
        let printed = child.printed();
        let complete = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let lines: Vec<(&str, Longest)> = complete.filter_map(|line| Some((line, Longest::parse(line)?))).collect();
        for (_, longest) in lines.iter().skip(found.len()) {
            progress(longest);
            found.push(longest.clone());
        }
        if lines.last().is_some_and(|(line, _)| line.trim_end().ends_with(DONE)) {
            return Ok(found);
        }
        ended?;
        if interrupted.load(Ordering::Relaxed) {
            return Err(PeerError::Interrupted.into());
        }
        sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_lines_are_understood() {
        let line = "longest: items=7 evictions=1 refused=0 pass=20 set=3000 update=4000 get=5 delete=6 below=[1, 2, 3, 4, 5, 6]";
        let expected = Longest {
            items: 7,
            evictions: 1,
            refused: 0,
            pass: 20,
            set: 3000,
            update: 4000,
            get: 5,
            delete: 6,
            below: vec![1, 2, 3, 4, 5, 6],
        };
        assert_eq!(Longest::parse(line).as_ref(), Some(&expected));
        assert_eq!(Longest::parse(&format!("[info] {line}, done\r\n")).as_ref(), Some(&expected));
        assert_eq!(expected.most(), 4000);
        assert_eq!(Longest::parse("longest: items=7"), None);
        assert_eq!(Longest::parse("longest: items=x below=[]"), None);
        assert_eq!(Longest::parse("memstorm ready"), None);
    }

    #[test]
    fn a_machine_that_does_not_boot_is_told_of() {
        let image = Image { bytes: b"no kernel".to_vec(), build_id: image::BuildId([0; 20]) };
        let error = longest(&image, 64, &AtomicBool::new(false), |_| {}).unwrap_err();
        assert!(matches!(error, CacheError::Peer(_)), "{error}");
    }
}
