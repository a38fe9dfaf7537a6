//! The heap of boot and control: first fit, O(n), behind a lock. Nothing on a packet's way allocates.

#![allow(unsafe_code)] // the global allocator

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::hint;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use linked_list_allocator::Heap;

/// The global allocator: empty until [`BootHeap::init`].
pub struct BootHeap {
    locked: AtomicBool,
    heap: UnsafeCell<Heap>,
}

// SAFETY: `heap` is only touched while `locked` is held.
unsafe impl Sync for BootHeap {}

impl BootHeap {
    /// A heap without memory.
    pub const fn empty() -> BootHeap {
        BootHeap { locked: AtomicBool::new(false), heap: UnsafeCell::new(Heap::empty()) }
    }

    /// Gives the heap its memory.
    ///
    /// # Safety
    ///
    /// `range` is mapped RAM that belongs to the heap for ever. Called once.
    pub unsafe fn init(&self, range: Range<u64>) {
        let bytes = (range.end - range.start) as usize;
        // SAFETY: the caller's promise.
        self.with(|heap| unsafe { heap.init(range.start as *mut u8, bytes) });
    }

    /// Bytes not allocated.
    pub fn free(&self) -> usize {
        self.with(|heap| heap.free())
    }

    fn with<R>(&self, work: impl FnOnce(&mut Heap) -> R) -> R {
        while self.locked.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            hint::spin_loop();
        }
        // SAFETY: the lock is held, so this is the only reference.
        let result = work(unsafe { &mut *self.heap.get() });
        self.locked.store(false, Ordering::Release);
        result
    }
}

// SAFETY: the blocks that `Heap` hands out are disjoint, as large and as aligned as asked for, and stay so until freed.
unsafe impl GlobalAlloc for BootHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.with(|heap| heap.allocate_first_fit(layout)).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller's promise: `block` came from `alloc` with this layout.
            self.with(|heap| unsafe { heap.deallocate(block, layout) });
        }
    }
}
