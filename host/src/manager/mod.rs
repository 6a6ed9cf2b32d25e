//! All hubs and providers: bindings, verbs over many instances, draining, events.
