//! The images are what tests take them for.
#![allow(clippy::unwrap_used, reason = "tests")]

use containers::Image;

#[test]
fn each_image_runs_python_with_what_it_is_to_hold() {
    for (image, import) in [
        (Image::Plain, "json, ctypes"),
        (Image::Science, "numpy"),
        (Image::Later, "json, ctypes"),
    ] {
        let Some(engine) = containers::require(image) else {
            return;
        };
        let code = format!("import {import}; print(6 * 7)");
        let limits = ["--memory", "256m", "--network", "none", "--pids-limit", "64"];
        let command = [image.name(), "/usr/bin/python3", "-c", &code];
        let arguments = ["run", "--rm"].into_iter().chain(limits).chain(command);
        assert_eq!(engine.docker(arguments).unwrap(), "42");
    }
}

#[test]
fn what_an_engine_does_not_know_is_an_error_with_its_words() {
    let Some(engine) = containers::require(Image::Plain) else {
        return;
    };
    let error = engine
        .inspect("gleitzeit-test/none", "{{.Id}}")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("docker inspect: "), "{error}");
    assert!(error.to_lowercase().contains("no such object"), "{error}");
}
