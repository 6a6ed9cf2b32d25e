//! The smallest plugin, built against the plugin API as it was one minor version ago.

plugin_api::export_plugin! {
    manifest_text: r#"
        id = "matrix-older"
        version = "0.1.0"
        [hub]
        provides = "matrix"
        [hub.verbs.version]
        description = "Says which API it was built for"
        target = "hub"
    "#,
    hub: zoo_matrix::Matrix,
}
