//! What lock-free code is built from: the machine's atomics, or loom's, which try every order that the memory model allows.
//!
//! Run the loom tests by `RUSTFLAGS="--cfg loom" cargo test -p unikernel --lib --release loom`.

#[cfg(not(loom))]
pub(super) use alloc::sync::Arc;
#[cfg(not(loom))]
pub(super) use core::sync::atomic;

#[cfg(loom)]
pub(super) use loom::cell::UnsafeCell;
#[cfg(loom)]
pub(super) use loom::sync::{Arc, atomic};

/// A cell without checks, in the shape of loom's.
#[cfg(not(loom))]
#[derive(Debug)]
pub(super) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(super) fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    /// Hands out the pointer, to write through it.
    pub(super) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.0.get())
    }
}
