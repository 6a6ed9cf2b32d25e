//! The engine every hub runs on.
