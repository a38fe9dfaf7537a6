//! Looking ahead: the items that a batch of requests will read are asked for before the first of them is worked on.

use netstack::app::{Event, Events};

use super::connection::Connection;
use crate::protocol;
use crate::store::{Expected, Handle};

/// Events that are looked at together.
pub(super) const GROUP: usize = 8;

/// Requests that are looked at together.
const DEPTH: usize = 32;

/// Asks for what the requests of the first [`GROUP`] events will read.
#[inline]
pub(super) fn look(store: &Handle, connections: &[Connection], events: &Events) {
    if events.len() > 1 && store.is_worth_expecting() {
        look_at_group(store, connections, events);
    }
}

#[inline(never)]
fn look_at_group(store: &Handle, connections: &[Connection], events: &Events) {
    let payloads = events.iter().take(GROUP).filter_map(|event| match event {
        Event::Recv { cookie, payload } => {
            let is_at_line = connections.get(*cookie as usize)?.session.is_at_line();
            is_at_line.then_some(payload.bytes())
        }
        _ => None,
    });
    let mut expected = [Expected::default(); DEPTH];
    let mut count = 0;
    for (place, key) in expected.iter_mut().zip(payloads.flat_map(protocol::probable_keys)) {
        *place = store.expect(key);
        count += 1;
    }
    expected[..count].iter().for_each(|expected| store.expect_item(*expected));
}
