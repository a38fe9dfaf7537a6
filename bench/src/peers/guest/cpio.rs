//! Archives in the "newc" form of cpio, which Linux unpacks as its first root file system (Linux
//! `Documentation/driver-api/early-userspace/buffer-format.rst`).

/// A header field: eight hexadecimal digits. The file type and permissions are those of `stat(2)`.
const MAGIC: &str = "070701";
const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
/// The name of what ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Headers with their name, and contents, begin at multiples of it.
const ALIGNMENT: usize = 4;

/// An archive under construction.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    /// Number of the next entry: two with the same would be links to one file.
    inode: u32,
    directories: Vec<String>,
}

impl Archive {
    /// Appends an executable file at `path`, relative to the root, and the directories above it that are not there yet.
    pub(super) fn file(&mut self, path: &str, contents: &[u8]) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(path, EXECUTABLE, contents);
    }

    /// Appends a directory, and those above it that are not there yet.
    pub(super) fn directory(&mut self, path: &str) {
        if path.is_empty() || self.directories.iter().any(|known| known == path) {
            return;
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.directories.push(path.to_owned());
        self.entry(path, DIRECTORY, &[]);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.inode += 1;
        let (links, size, name_size) = (1, contents.len() as u32, name.len() as u32 + 1);
        // Inode, mode, uid, gid, links, mtime, size, two device numbers of the file, two of a device file, length of the
        // name with its zero, checksum (none in this form).
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an archive back: names, modes and contents.
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut entries = Vec::new();
        loop {
            let field = |index: usize| {
                let digits = &bytes[6 + 8 * index..][..8];
                u32::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            };
            assert_eq!(&bytes[..6], MAGIC.as_bytes());
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = std::str::from_utf8(&bytes[110..110 + name_size - 1]).unwrap().to_owned();
            assert_eq!(bytes[110 + name_size - 1], 0);
            let begin = (110 + name_size).next_multiple_of(4);
            if name == TRAILER {
                assert_eq!(bytes.len(), begin, "nothing follows");
                return entries;
            }
            entries.push((name, mode, bytes[begin..begin + size].to_vec()));
            bytes = &bytes[(begin + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn what_goes_in_comes_out_with_its_directories_before_it() {
        let mut archive = Archive::default();
        archive.file("lib/x86_64-linux-gnu/libc.so.6", b"12345");
        archive.file("lib/ld.so", b"");
        archive.directory("proc");
        archive.file("init", b"#!/bin/sh\n");
        let read = read(&archive.finish());
        let seen: Vec<_> = read.iter().map(|(name, mode, bytes)| (name.as_str(), *mode, bytes.len())).collect();
        let expected = [
            ("lib", DIRECTORY, 0),
            ("lib/x86_64-linux-gnu", DIRECTORY, 0),
            ("lib/x86_64-linux-gnu/libc.so.6", EXECUTABLE, 5),
            ("lib/ld.so", EXECUTABLE, 0),
            ("proc", DIRECTORY, 0),
            ("init", EXECUTABLE, 10),
        ];
        assert_eq!(seen, expected);
        assert_eq!(read[2].2, b"12345");
    }
}
