//! `memstorm inspect`.

use std::path::Path;

use anyhow::Context as _;
use image::Inspection;

use crate::args::Output;
use crate::{kernel, output};

pub(crate) fn inspect(path: &Path, format: Output) -> anyhow::Result<u8> {
    let bytes = kernel::read(path)?;
    let seen = image::inspect(&bytes).with_context(|| path.display().to_string())?;
    match format {
        Output::Json => output::json(&seen)?,
        Output::Table => show(&seen)?,
    }
    Ok(0)
}

fn show(image: &Inspection) -> std::io::Result<()> {
    let none = || "none".to_owned();
    let hexadecimal = |address: u64| format!("{address:#x}");
    let facts = [
        ("format", image.format.to_owned()),
        ("size", format!("{} bytes", image.size)),
        ("in memory", format!("{} bytes", image.memory)),
        ("build id", image.build_id.map_or_else(none, |id| id.to_string())),
        ("configuration", if image.config.is_empty() { none() } else { image.config.clone() }),
        ("entry (uhyve)", hexadecimal(image.entry)),
        ("entry (PVH)", image.pvh_entry.map_or_else(none, hexadecimal)),
        ("Hermit entry version", image.hermit_entry_version.map_or_else(none, |version| version.to_string())),
    ];
    for (name, value) in facts {
        output::line(&format!("{name:<22}{value}"))?;
    }
    let segments = image.segments.iter().map(|segment| {
        let sizes = [segment.file_size, segment.memory_size].map(|size| size.to_string());
        [vec![segment.kind.clone(), hexadecimal(segment.address)], sizes.to_vec(), vec![segment.permissions.clone()]]
            .concat()
    });
    output::line("")?;
    output::table(&["SEGMENT", "ADDRESS", "IN FILE", "IN MEMORY", "MAY"], segments.collect(), &[1, 2, 3])?;
    let sections = image.sections.iter().map(|section| {
        vec![section.name.clone(), hexadecimal(section.address), section.size.to_string(), section.permissions.clone()]
    });
    output::line("")?;
    output::table(&["SECTION", "ADDRESS", "SIZE", "MAY"], sections.collect(), &[1, 2])?;
    let notes = image.notes.iter().map(|note| vec![note.owner.clone(), format!("{:#x}", note.kind)]);
    output::line("")?;
    output::table(&["NOTE", "TYPE"], notes.collect(), &[1])?;
    output::line("")?;
    if image.findings.is_empty() {
        output::line("nothing is both writable and executable; the build id is that of the content")?;
    }
    image.findings.iter().try_for_each(|finding| output::line(&format!("note: {finding}")))
}
