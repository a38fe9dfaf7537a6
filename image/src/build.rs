//! From the linked kernel to a bootable image.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::elf::Elf;
use crate::{BuildId, ImageError, config, header, strip};

/// Name of the ELF image within the output directory.
pub const FILE_NAME: &str = "memstorm.elf";

/// A bootable ELF image.
#[derive(Debug)]
pub struct Image {
    /// The file.
    pub bytes: Vec<u8>,
    /// What crash reports of this image carry.
    pub build_id: BuildId,
}

/// Makes a bootable image of `kernel` with the configuration `words` (`key=value`, as on the kernel command line) baked
/// in. The same input gives the same image, byte by byte; an image can be built again from an image.
pub fn build(kernel: &[u8], words: &str) -> Result<Image, ImageError> {
    config::check(words)?;
    let mut bytes = strip::strip(&Elf::parse(kernel)?)?;
    let header = header::locate(&Elf::parse(&bytes)?)?;
    header::set_config(&mut bytes[header.clone()], words)?;
    let build_id = BuildId::of(&bytes, header.start);
    header::set_build_id(&mut bytes[header], build_id);
    Ok(Image { bytes, build_id })
}

impl Image {
    /// Writes the image as [`FILE_NAME`] into `directory`, which is made if it is missing. Readers see the old image or
    /// the new one, never a part.
    pub fn write_to(&self, directory: &Path) -> Result<PathBuf, ImageError> {
        let path = directory.join(FILE_NAME);
        let failed = |cause| ImageError::Write { path: path.clone(), cause };
        fs::create_dir_all(directory).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        file.write_all(&self.bytes).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, inspect};

    #[test]
    fn bakes_configuration_and_id() {
        let image = build(&fixture::kernel(), "port=11300 batch=8").unwrap();
        let seen = inspect(&image.bytes).unwrap();
        assert_eq!(seen.config, "port=11300 batch=8");
        assert_eq!(seen.build_id, Some(image.build_id));
        assert!(seen.intact);
    }

    #[test]
    fn is_reproducible_and_the_id_tells_images_apart() {
        let first = build(&fixture::kernel(), "port=11300").unwrap();
        assert_eq!(first.bytes, build(&fixture::kernel(), "port=11300").unwrap().bytes);
        assert_ne!(first.build_id, build(&fixture::kernel(), "port=11301").unwrap().build_id);
        let again = build(&first.bytes, "port=11300").unwrap();
        assert_eq!(again.bytes, first.bytes, "an image built from an image is the same image");
        let cleared = build(&first.bytes, "").unwrap();
        assert_eq!(cleared.bytes, build(&fixture::kernel(), "").unwrap().bytes);
    }

    #[test]
    fn a_changed_image_is_not_intact() {
        let mut image = build(&fixture::kernel(), "").unwrap();
        let text = image.bytes.windows(4).position(|code| *code == fixture::TEXT[..4]).unwrap();
        image.bytes[text] ^= 1;
        assert!(!inspect(&image.bytes).unwrap().intact);
    }

    #[test]
    fn refuses_bad_configurations() {
        let refusal = |words: &str| build(&fixture::kernel(), words).unwrap_err().to_string();
        assert_eq!(refusal("prt=1"), "configuration: unknown key 'prt': did you mean 'port'?");
        assert!(refusal(&"port=11211 ".repeat(300)).contains("do not fit"));
    }

    #[test]
    fn refuses_a_foreign_executable() {
        let error = build(&fixture::without_header(), "").unwrap_err();
        assert!(error.to_string().contains(".memstorm.header"), "{error}");
    }

    #[test]
    fn writes_into_a_new_directory() {
        let directory = tempfile::tempdir().unwrap();
        let image = build(&fixture::kernel(), "").unwrap();
        let path = image.write_to(&directory.path().join("a/b")).unwrap();
        assert_eq!(fs::read(path).unwrap(), image.bytes);
        let error = image.write_to(Path::new("/proc/nowhere")).unwrap_err();
        assert!(error.to_string().starts_with("cannot write /proc/nowhere/memstorm.elf"), "{error}");
    }
}
