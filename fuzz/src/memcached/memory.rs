//! What stores lie in: they live for ever where the application runs, and a moment here.

#![allow(unsafe_code)] // the memory of one store becomes that of the next

use std::cell::Cell;
use std::ptr::NonNull;

use app_memcached::store::StoreMemory;

/// Bytes of the largest store.
pub(super) const LARGEST: usize = 8 << 20;

thread_local! {
    /// The memory of all stores of a thread, while none is in it.
    static FREE: Cell<Option<NonNull<u8>>> = Cell::new(NonNull::new(Vec::leak(vec![0xa5; LARGEST]).as_mut_ptr()));
}

/// Lends `bytes` bytes to `play`, whose store has to end with it.
pub(super) fn lend(bytes: usize, play: impl FnOnce(StoreMemory)) {
    assert!(bytes <= LARGEST);
    let Some(base) = FREE.take() else { panic!("a store in a store") };
    // SAFETY:
    // - The range was leaked with `LARGEST` bytes, each of them initialised, and is never freed.
    // - It is in nobody else's hands until it is put back below, after the store made of it has ended; if `play` panics, it is not.
    play(unsafe { StoreMemory::from_raw(base, bytes) });
    FREE.set(Some(base));
}
