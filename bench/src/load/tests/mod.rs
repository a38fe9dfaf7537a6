//! The generator as a whole: against servers that behave, and servers that do not.

mod cost;
mod instrument;
mod servers;
