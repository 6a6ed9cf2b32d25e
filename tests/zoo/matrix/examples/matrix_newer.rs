//! The smallest plugin, built against the plugin API as it may be one minor version ahead.

plugin_api::export_plugin! {
    manifest_text: r#"
        id = "matrix-newer"
        version = "0.1.0"
        [hub]
        provides = "matrix"
        [hub.verbs.version]
        description = "Says which API it was built for"
        target = "hub"
    "#,
    hub: zoo_matrix::Matrix,
}
