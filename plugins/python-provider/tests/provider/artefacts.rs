//! Files go in and come out, and nothing is followed on the way.

use serde_json::{Value, json};

use crate::support::Boxed;

fn names(done: &Value) -> Vec<&str> {
    let files = done["files"].as_array().unwrap();
    files.iter().map(|file| file["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn files_come_with_the_request_and_go_with_the_result() {
    let boxed = Boxed::new();
    let params = json!({
        "code": "import helper\nopen('data/out.txt', 'w').write(helper.text + open('data/in.txt').read())\nopen('data/in2.txt', 'a').write('!')",
        "files": { "helper.py": "text = 'hi '", "data/in.txt": "there", "data/in2.txt": { "base64": "/w==" } },
    });
    let done = boxed.call("python/execute", params).await.unwrap();
    let expected = json!([
        { "name": "data/in2.txt", "size": 2, "base64": "/yE=" },
        { "name": "data/out.txt", "size": 8, "base64": "aGkgdGhlcmU=" },
    ]);
    assert_eq!(
        done["files"], expected,
        "what came and is unchanged does not come back"
    );
}

#[tokio::test]
async fn a_file_can_be_the_program() {
    let boxed = Boxed::new();
    let params = json!({ "file": "app/main.py", "files": { "app/main.py": "import os\nassert os.path.exists(__file__)\n1/0" } });
    let done = boxed.call("python/execute", params).await.unwrap();
    let text = done["stderr"].as_str().unwrap();
    assert!(
        text.contains("File \"app/main.py\", line 3, in <module>\n    1/0"),
        "{text}"
    );
    let missing = boxed
        .call("python/execute", json!({ "file": "a.py" }))
        .await
        .unwrap_err();
    assert!(missing.message.contains("none of `files`"), "{missing}");
}

#[tokio::test]
async fn nothing_but_plain_files_comes_back_and_nothing_is_followed() {
    let boxed = Boxed::new();
    let code = "import os\n\
        os.symlink('/etc/passwd', 'passwd'); os.symlink('../../../../etc', 'etc'); os.symlink('/dev/zero', 'zero')\n\
        os.symlink('/proc/self/mem', 'mem'); os.mkfifo('fifo'); os.symlink('.', 'loop')\n\
        open('.hidden', 'w').write('h'); os.makedirs('d/e'); open('d/e/f', 'w').write('f')\n\
        open('secret', 'w').write('s'); os.chmod('secret', 0); os.makedirs('closed/in'); os.chmod('closed', 0)";
    let done = boxed.execute(code).await;
    assert_eq!(done["outcome"], "ok", "{done:#}");
    let names = names(&done);
    assert!(
        names.contains(&".hidden") && names.contains(&"d/e/f"),
        "{names:?}"
    );
    for name in ["passwd", "zero", "mem", "fifo", "loop"] {
        assert!(!names.iter().any(|found| found.starts_with(name)), "{names:?}");
    }
    assert_eq!(
        boxed.execute("import os\nos.listdir()").await["result"],
        json!([]),
        "and all of it is gone"
    );
}

#[tokio::test]
async fn files_are_bounded_in_number_and_size() {
    let config = json!({ "sandboxed": { "files": 3, "files_size": 1000 } });
    let boxed = Boxed::with(config, json!({}));
    let done = boxed
        .execute("for i in range(9): open(f'f{i}', 'w').write('x')")
        .await;
    assert_eq!(
        (names(&done), &done["truncated"]["files"]),
        (vec!["f0", "f1", "f2"], &json!(true))
    );
    let done = boxed
        .execute("open('a', 'w').write('x' * 2000); open('b', 'w').write('y')")
        .await;
    assert_eq!(
        (names(&done), &done["truncated"]["files"]),
        (vec!["b"], &json!(true))
    );
    let params = json!({ "code": "open('a', 'w').write('x')", "collect": false });
    let done = boxed.call("python/execute", params).await.unwrap();
    assert_eq!(
        (names(&done), &done["truncated"]["files"]),
        (vec![], &json!(false))
    );
}

#[tokio::test]
async fn deep_odd_and_countless_files_are_survived_and_removed() {
    let boxed = Boxed::new();
    for code in [
        // 3000 levels: deeper than any path can be named, or any stack holds.
        "import os\nfor i in range(3000): os.mkdir('d'); os.chdir('d')\nopen('leaf', 'w').write('x')",
        "import os\nfor i in range(5000): open(f'f{i}', 'w').close()",
        "import os\nos.mkdir(b'\\xc3\\xff'); open(b'\\xc3\\xff/\\xfe.txt', 'w').write('x'); open('n' * 255, 'w').close()",
        "import os\nos.makedirs('a/b/c')\nfor d in ('a/b/c', 'a/b', 'a'): os.chmod(d, 0)",
        "import os\nos.mkdir('moved-0'); os.mkdir('moved-0/x'); os.mkdir('moved-0/x/y')",
        "import os\nos.rmdir(os.getcwd())",
        "import os, tempfile\nd = tempfile.mkdtemp(); open(d + '/x', 'w').close(); os.chmod(d, 0o100)",
    ] {
        let done = boxed.execute(code).await;
        assert_eq!(done["outcome"], "ok", "{code}: {done:#}");
        let left = boxed
            .execute("import os, tempfile\n[os.listdir(), os.listdir(tempfile.gettempdir())]")
            .await;
        assert_eq!(left["result"], json!([[], ["work"]]), "{code}: {left:#}");
    }
}

#[tokio::test]
async fn names_that_are_no_text_are_told_with_replacements() {
    let done = Boxed::new().execute("open(b'\\xc3.txt', 'w').write('x')").await;
    assert_eq!(names(&done), ["\u{fffd}.txt"]);
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_before_anything_runs() {
    let boxed = Boxed::new();
    for name in ["../x", "/abs", "a/../../b", "a\0b", ""] {
        let params = json!({ "code": "1", "files": { name: "x" } });
        let error = boxed.call("python/execute", params).await.unwrap_err();
        assert_eq!(error.code.name(), Some("INVALID_PARAMS"), "{name:?}");
    }
    assert_eq!(boxed.host().outcomes(), [], "no box was asked for");
}
