//! The run-to-completion loop of a core.
