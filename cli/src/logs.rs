//! `memstorm logs` and `memstorm console`: what an appliance prints, with function names beside the addresses of crash reports.

use std::thread;
use std::time::Duration;

use image::Symbols;
use orchestrator::{Entry, StateDir, Tail, annotate};

use crate::{kernel, output};

/// How often a followed console is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Prints the console from its first line on.
pub(crate) fn logs(name: Option<&str>, follow: bool) -> anyhow::Result<u8> {
    let entry = StateDir::resolve()?.find(name)?;
    let mut tail = Tail::new(&entry.files.console());
    if follow {
        return follow_to_the_end(&entry, &mut tail);
    }
    print(&tail.finish()?, &symbols(&entry))?;
    Ok(0)
}

/// Prints the console from now on.
pub(crate) fn console(name: Option<&str>) -> anyhow::Result<u8> {
    let entry = StateDir::resolve()?.find(name)?;
    let mut tail = Tail::new(&entry.files.console());
    tail.lines()?;
    follow_to_the_end(&entry, &mut tail)
}

fn follow_to_the_end(entry: &Entry, tail: &mut Tail) -> anyhow::Result<u8> {
    let symbols = symbols(entry);
    while entry.is_running() {
        print(&tail.lines()?, &symbols)?;
        thread::sleep(POLL);
    }
    print(&tail.finish()?, &symbols)?;
    Ok(0)
}

fn print(lines: &[String], symbols: &Symbols) -> anyhow::Result<()> {
    for text in lines {
        output::line(&annotate(text, symbols))?;
    }
    Ok(())
}

/// The functions of the image that was booted. Without them a console is still worth reading.
fn symbols(entry: &Entry) -> Symbols {
    let image = kernel::read(&entry.files.image());
    image.and_then(|image| Symbols::parse(&image)).unwrap_or_default()
}
