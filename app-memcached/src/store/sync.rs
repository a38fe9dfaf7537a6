//! Atomics: core's, or loom's where its model checker runs the tests.

#[cfg(not(all(loom, test)))]
pub(super) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(all(loom, test))]
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Stands between a sequentially consistent read-modify-write and sequentially consistent loads behind it. The memory model
/// orders these by itself; loom takes such accesses for acquire and release, and has to be told.
#[inline]
pub(super) fn order_after_rmw() {
    #[cfg(all(loom, test))]
    fence(Ordering::SeqCst);
}

/// A value on cache lines of its own; two, as they are fetched in pairs.
#[repr(align(128))]
pub(super) struct Apart<T>(pub(super) T);
