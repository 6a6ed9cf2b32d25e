//! HTTP: JSON-RPC, the providers' surfaces, health and metrics.
