//! Statistics as text, in memcached's form.

use core::fmt::{self, Write as _};

use netdrv::pktbuf::{PktBuf, Pool};
use netstack::app::{FULL_SEGMENT, Statistics};

/// Bytes of the longest line.
const MOST_LINE_BYTES: usize = 96;

/// A line of text.
struct Line {
    bytes: [u8; MOST_LINE_BYTES],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Gives `take` all values, `STAT name value` a line, and `END`, in buffers that are segments. Where there is no buffer, the
/// rest is missing.
pub(crate) fn collect_pages(statistics: &dyn Statistics, pool: &'static Pool, mut take: impl FnMut(PktBuf)) {
    let mut page = None;
    let mut add = |line: fmt::Arguments<'_>| {
        let mut text = Line { bytes: [0; MOST_LINE_BYTES], len: 0 };
        if text.write_fmt(line).is_err() {
            return; // no name is so long
        }
        if let Some(full) = page.take_if(|page: &mut PktBuf| page.len() + text.len > FULL_SEGMENT) {
            take(full);
        }
        if page.is_none() {
            page = pool.alloc();
        }
        if let Some(page) = &mut page {
            let _ = page.extend_from_slice(&text.bytes[..text.len]); // it fits, as above
        }
    };
    statistics.visit(&mut |name, value| add(format_args!("STAT {name} {value}\r\n")));
    add(format_args!("END\r\n"));
    page.into_iter().for_each(take);
}
