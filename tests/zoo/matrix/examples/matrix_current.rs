//! The smallest plugin, built against the plugin API as it is.

plugin_api::export_plugin! {
    manifest_text: r#"
        id = "matrix-current"
        version = "0.1.0"
        [hub]
        provides = "matrix"
        [hub.verbs.version]
        description = "Says which API it was built for"
        target = "hub"
    "#,
    hub: zoo_matrix::Matrix,
}
