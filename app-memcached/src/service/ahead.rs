//! Looking ahead: the items that a batch of requests will read are asked for before the first of them is worked on.

use core::slice;

use netstack::app::{Event, Events};

use super::connection::Connection;
use crate::protocol;
use crate::store::{Expected, Handle, MAX_KEY};

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
    let mut expected = [Expected::default(); DEPTH];
    let mut places = expected.iter_mut();
    for event in events.iter().take(GROUP) {
        let Event::Recv { cookie, payload } = event else { continue };
        if connections.get(*cookie as usize).is_some_and(|connection| connection.session.is_at_line()) {
            look_at_requests(store, payload.bytes(), &mut places);
        }
    }
    let left = places.len();
    expected[..DEPTH - left].iter().for_each(|expected| store.expect_item(*expected));
}

/// Asks for the buckets of the keys in `input`, as many as there are places to note them.
#[inline]
fn look_at_requests(store: &Handle, mut input: &[u8], places: &mut slice::IterMut<'_, Expected>) {
    while let Some((key, rest)) = protocol::probable_key(input) {
        input = rest;
        if (1..=MAX_KEY).contains(&key.len()) {
            let Some(place) = places.next() else { return };
            *place = store.expect(key);
        }
    }
}
