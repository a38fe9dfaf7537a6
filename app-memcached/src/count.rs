//! Counts: each core writes those in its own block, without a locked instruction; whoever reads adds the blocks up.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number that one core writes and all may read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds `n`. Only for the core whose count it is.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Subtracts `n`. Only for the core whose count it is.
    #[inline]
    pub(crate) fn subtract(&self, n: u64) {
        self.set(self.get().wrapping_sub(n));
    }

    /// Sets it to `value`.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Defines a struct of numbers, and the block of [`Count`]s in which a core keeps its part of them.
macro_rules! counts {
    (
        $(#[$meta:meta])*
        pub struct $sum:ident, $block:ident {
            $($(#[$field_meta:meta])* $field:ident,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $sum {
            $($(#[$field_meta])* pub $field: u64,)*
        }

        /// One core's part of them, on cache lines of its own.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        #[allow(missing_docs, unreachable_pub, reason = "as the sum's fields; some blocks are seen from elsewhere")]
        pub struct $block {
            $(pub $field: $crate::count::Count,)*
        }

        impl $block {
            /// Adds this core's part to `sum`.
            pub(crate) fn add_to(&self, sum: &mut $sum) {
                $(sum.$field = sum.$field.wrapping_add(self.$field.get());)*
            }
        }

        #[allow(dead_code, reason = "not every block is set")]
        impl $block {
            /// Sets all to those of `sum`.
            pub(crate) fn set_to(&self, sum: &$sum) {
                $(self.$field.set(sum.$field);)*
            }
        }

        impl $sum {
            /// What was added since it was `before`.
            pub fn since(&self, before: &$sum) -> $sum {
                $sum { $($field: self.$field.wrapping_sub(before.$field),)* }
            }
        }
    };
}
pub(crate) use counts;
