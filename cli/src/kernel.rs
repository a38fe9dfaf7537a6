//! Which image to boot, or which kernel to make it of.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use image::{Image, ImageError};

/// An image with the configuration that is baked into it.
pub(crate) struct Bootable {
    pub(crate) image: Image,
    pub(crate) baked: String,
}

/// The image at `path`; without one, an image of the kernel at hand.
pub(crate) fn bootable(path: Option<&Path>) -> anyhow::Result<Bootable> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => find()?,
    };
    let bytes = read(&path)?;
    let seen = image::inspect(&bytes).with_context(|| path.display().to_string())?;
    let image = match seen.build_id {
        Some(build_id) if seen.intact => Image { bytes, build_id },
        Some(_) => bail!("{}: the image was changed since it was built: build it again", path.display()),
        None => image::build(&bytes, &seen.config).with_context(|| path.display().to_string())?,
    };
    Ok(Bootable { image, baked: seen.config })
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    fs::read(path).map_err(|cause| ImageError::Read { path: path.to_owned(), cause })
}

/// The guest kernel at hand: `MEMSTORM_KERNEL`, else beside this program, else where cargo builds it.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os("MEMSTORM_KERNEL").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let program = env::current_exe().context("cannot tell where this program lies")?;
    let candidates = candidates(&program);
    match candidates.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => bail!(
            "no guest kernel: looked for {}; run the launcher ./memstorm, which builds it, or set MEMSTORM_KERNEL",
            candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
        ),
    }
}

fn candidates(program: &Path) -> Vec<PathBuf> {
    let folder = program.parent().unwrap_or(Path::new("."));
    // The program lies in TARGET/release.
    let target = folder.parent().unwrap_or(folder);
    vec![folder.join("memstorm-kernel.elf"), target.join("guest/appliance/unikernel")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_beside_the_program_and_in_the_target_directory() {
        let found = candidates(Path::new("/src/target/release/memstorm"));
        let expected = ["/src/target/release/memstorm-kernel.elf", "/src/target/guest/appliance/unikernel"];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn what_is_no_image_is_named() {
        let error = bootable(Some(Path::new("/nowhere.elf"))).err().expect("refused");
        assert!(format!("{error:#}").starts_with("cannot read /nowhere.elf: "));
        let error = bootable(Some(Path::new("/bin/sh"))).err().expect("refused");
        assert!(format!("{error:#}").starts_with("/bin/sh: not "), "{error:#}");
    }
}
