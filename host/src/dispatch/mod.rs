//! From a method or a route to a provider's answer.
