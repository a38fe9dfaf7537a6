//! `memstorm build`.

use anyhow::Context as _;

use crate::args::BuildOptions;
use crate::{kernel, output};

pub(crate) fn build(options: &BuildOptions) -> anyhow::Result<u8> {
    options.format.iter().try_for_each(|format| format.available().map(drop))?;
    let words = match &options.config {
        Some(path) => image::config::read(path)?,
        None => String::new(),
    };
    let path = kernel::find()?;
    let image = image::build(&kernel::read(&path)?, &words).with_context(|| path.display().to_string())?;
    let written = image.write_to(&options.output)?;
    let size = image.bytes.len();
    output::line(&format!("{}: elf, {size} bytes, build id {}", written.display(), image.build_id))?;
    Ok(0)
}
