//! What is told, in memcached's words.

use core::net::SocketAddrV4;

/// What an event is about: what a watcher asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A look-up of an item (`fetchers`).
    Fetch = 0,
    /// An item that was stored, or was not (`mutations`).
    Mutation = 1,
    /// An item that had to go (`evictions`).
    Eviction = 2,
    /// A connection that came or went (`connevents`).
    Connection = 3,
}

/// How many kinds there are.
pub(super) const KINDS: usize = 4;

/// Defines an enum with memcached's names.
macro_rules! named {
    ($(#[$meta:meta])* $type:ident { $($(#[$variant_meta:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $type { $($(#[$variant_meta])* $variant,)* }

        impl $type {
            const ALL: &[$type] = &[$($type::$variant,)*];

            /// As memcached calls it.
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// The one with this number.
            pub(super) fn numbered(number: u8) -> Option<$type> {
                $type::ALL.get(usize::from(number)).copied()
            }
        }
    };
}

named! {
    /// What a look-up has found.
    Fetched {
        /// Nothing.
        NotFound = "not_found",
        /// The item.
        Found = "found",
        /// One that a flush had taken.
        Flushed = "flushed",
        /// One whose time had come.
        Expired = "expired",
    }
}

named! {
    /// What came of an item that was to be stored.
    Stored {
        /// What it was to be stored under did not hold.
        NotStored = "not_stored",
        /// It is there.
        Stored = "stored",
        /// The item that is there is another one than was meant.
        Exists = "exists",
        /// There was none to be replaced.
        NotFound = "not_found",
        /// It is too large.
        TooLarge = "too_large",
        /// Memory is full.
        NoMemory = "no_memory",
    }
}

named! {
    /// What stored it.
    Verb {
        /// Not known.
        Null = "null",
        /// `add`, or what makes an item where there is none.
        Add = "add",
        /// `set`.
        Set = "set",
        /// `replace`.
        Replace = "replace",
        /// `append`.
        Append = "append",
        /// `prepend`.
        Prepend = "prepend",
        /// `cas`.
        Cas = "cas",
    }
}

named! {
    /// Why a connection went.
    Farewell {
        /// It was reset, by either side, or sent what is no request.
        Error = "error",
        /// Its client has ended it.
        Normal = "normal",
        /// It was silent for too long.
        IdleTimeout = "idle_timeout",
        /// The machine is powered off.
        Shutdown = "shutdown",
    }
}

/// One event. Sizes are those of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An item was looked up.
    Fetch {
        /// Its key.
        key: &'a [u8],
        /// What was found.
        status: Fetched,
        /// How large it is; 0 if there is none.
        size: u32,
    },
    /// An item was to be stored.
    Mutation {
        /// Its key.
        key: &'a [u8],
        /// What came of it.
        status: Stored,
        /// How it was asked for.
        verb: Verb,
        /// Seconds until it expires, modulo 2^32; 0: it does not.
        ttl: u32,
        /// How large it is.
        size: u32,
    },
    /// An item had to go.
    Eviction {
        /// Its key.
        key: &'a [u8],
        /// Whether it was ever read.
        is_fetched: bool,
        /// Seconds until it would have expired; -1: it would not.
        ttl: i64,
        /// Seconds since it was used last.
        idle: u32,
        /// How large it was.
        size: u32,
    },
    /// Somebody has connected.
    Opened {
        /// Who.
        remote: SocketAddrV4,
    },
    /// Somebody is gone.
    Closed {
        /// Who.
        remote: SocketAddrV4,
        /// Why.
        reason: Farewell,
    },
}

impl Event<'_> {
    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Event::Fetch { .. } => Kind::Fetch,
            Event::Mutation { .. } => Kind::Mutation,
            Event::Eviction { .. } => Kind::Eviction,
            Event::Opened { .. } | Event::Closed { .. } => Kind::Connection,
        }
    }
}
