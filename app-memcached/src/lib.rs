//! app-memcached
