//! Images of directories, and of Dockerfiles that are not for this builder.

use serde_json::json;

use crate::support::{IMAGE, real};

#[tokio::test]
async fn an_image_is_built_of_what_its_dockerignore_lets_through() {
    let Some(real) = real(json!({ "host_paths": true })).await else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        ".dockerignore",
        "# what is made, and what is nobody's business\n**/target\n*.pem\n!public.pem\nDockerfile\n",
    );
    write("Dockerfile", &format!("FROM {IMAGE}\nCOPY . /tree\n"));
    for file in ["key.pem", "public.pem", "src/main", "src/target/x", "target/y"] {
        write(file, "");
    }
    let name = format!("gleitzeit-test/ignoring-{}:1", std::process::id());
    real.done("build", json!({ "name": name, "directory": directory.path() }))
        .await;
    let find =
        json!({ "image": name, "command": ["/usr/bin/find", "/tree", "-type", "f"], "network": "none" });
    let found = real.done("run", find).await["stdout"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut found: Vec<&str> = found.lines().collect();
    found.sort_unstable();
    assert_eq!(
        found,
        ["/tree/.dockerignore", "/tree/public.pem", "/tree/src/main"]
    );
    real.done("remove-image", json!({ "image": name, "force": true }))
        .await;
}

#[tokio::test]
async fn a_dockerfile_for_buildkit_is_told_what_to_do_about_it() {
    let Some(real) = real(json!({})).await else { return };
    let build = async |dockerfile: String| {
        let arguments = json!({ "name": "gleitzeit-test/never:1", "dockerfile": dockerfile });
        real.control("build", arguments).await
    };
    let mount = format!("FROM {IMAGE}\nRUN --mount=type=cache,target=/x true\n");
    let (refused, steps) = build(mount).await;
    let refused = refused.unwrap_err();
    assert!(
        refused
            .message
            .contains("line 2 of the Dockerfile has `RUN --mount`"),
        "{refused}"
    );
    assert!(refused.hint.unwrap().contains("docker build"));
    assert!(steps.is_empty(), "{steps:?}");
    let newer = format!("# syntax=docker/dockerfile:1\nFROM {IMAGE}\nNOVELTY x\n");
    let failed = build(newer).await.0.unwrap_err();
    assert!(failed.hint.unwrap().contains("docker/dockerfile:1"));
}
