//! F: files in and files out.

use serde_json::{Value, json};

use crate::python::{Level, Python};

cases! {
    f1_outputs_that_are_not_files,
    f3_names_that_lead_elsewhere,
    f5_paths_prepared_for_the_host,
    f6_bounded_collections,
    f6_archives_are_only_bytes,
    x_swapped_while_collected,
    x_sparse_files,
    x_code_beside_the_code,
    x_files_are_lossless,
    x_whoever_hunts_the_collector,
}

const HOST_SECRET: &str = "root:";

async fn f1_outputs_that_are_not_files(python: &Python) {
    let code = r"
import os, socket
os.symlink('/etc/passwd', 'passwd')
os.symlink('../../', 'above')
os.symlink('/dev/zero', 'zero')
os.symlink('/proc/self/mem', 'memory')
os.symlink('/proc/self/environ', 'environ')
os.symlink('loop', 'loop')
os.symlink('real', 'alias')
os.mkfifo('fifo')
os.mkdir('folder')
os.symlink('/etc', 'folder/etc')
socket.socket(socket.AF_UNIX).bind('socket')
open('real', 'w').write('real')
for name in ('/etc/passwd', '/usr/bin/python3', '/proc/self/environ'):
    try:
        os.link(name, 'hard' + str(len(name)))
    except OSError:
        pass
os.chmod('folder', 0)
open('secret', 'w').write('mine')
os.chmod('secret', 0)";
    let run = python.execute(json!({ "code": code, "timeout": 10 })).await;
    assert_eq!(run.outcome(), "ok", "{run:?}");
    let files = run.files();
    assert!(files.contains(&"real"), "{files:?}");
    for name in &files {
        assert!(
            ["real", "secret"].contains(name),
            "{name} is not a file of its own: {files:?}"
        );
    }
    assert!(!run.0.to_string().contains(HOST_SECRET));
}

async fn f3_names_that_lead_elsewhere(python: &Python) {
    let long = "n".repeat(4096);
    let deep = "d/".repeat(300) + "f";
    for name in [
        "../x",
        "/abs",
        "a/../../b",
        "a/..",
        "..",
        ".",
        "",
        "a\0b",
        "a//b",
        "a/./b",
        "a/",
        &long,
        &deep,
        "~/../../x",
    ] {
        let files = json!({ name: "content" });
        let answer = python.ask(json!({ "code": "1", "files": files })).await;
        assert_eq!(answer["error"]["code"], -32602, "{name:?}: {answer}");
    }
    for files in [
        json!({ "a": "x", "a/b": "y" }),
        json!({ "a/b": "y", "a": "x" }),
        json!({ "x": { "base64": "not base64!" } }),
        json!({ "x": 5 }),
    ] {
        python.refused(json!({ "code": "1", "files": files })).await;
    }
    // Names that only look alike are different names.
    let run = python
        .execute(json!({ "code": "sorted(__import__('os').listdir('.'))", "files": { "A.txt": "1", "a.txt": "2", "ä": "3" } }))
        .await;
    assert_eq!(run.result(), &json!(["A.txt", "a.txt", "ä"]), "{run:?}");
}

/// What a run leaves behind may lie where the next one's files go: they replace it, and never go through it.
async fn f5_paths_prepared_for_the_host(python: &Python) {
    let level = python.level.name();
    let opened = python.host.call("python/open", json!({ "level": level })).await;
    let session = opened["session"].clone();
    let prepare = r"
import os
open('/tmp/target', 'w').write('untouched')
os.symlink('/tmp/target', 'next.txt')
os.symlink('/tmp', 'folder')
os.mkfifo('pipe')
os.mkdir('taken')";
    let run = json!({ "session": session, "code": prepare, "collect": false });
    python.host.call("python/run", run).await;
    for name in ["next.txt", "folder/deep.txt", "pipe", "taken"] {
        let look = "import os\n[open('/tmp/target').read(), os.path.exists('/tmp/deep.txt')]";
        let run = json!({ "session": session, "code": look, "files": { name: "new" }, "collect": false, "timeout": 5 });
        let answer = python.host.rpc("python/run", run).await;
        if answer.get("error").is_none() && answer["result"]["outcome"] == "ok" {
            assert_eq!(
                answer["result"]["result"],
                json!(["untouched", false]),
                "{name}: {answer}"
            );
        }
    }
    python
        .host
        .rpc("python/close", json!({ "session": session }))
        .await;
}

async fn f6_bounded_collections(python: &Python) {
    let run = python
        .execute(
            json!({ "code": "for n in range(3000):\n    open('f%d' % n, 'w').write('x')", "timeout": 20 }),
        )
        .await;
    assert!(run.files().len() < 3000, "{}", run.files().len());
    assert_eq!(run.0["truncated"]["files"], true, "{}", run.outcome());
    let run = python
        .run("try:\n    open('big', 'wb').write(bytes(200 << 20))\nexcept OSError:\n    pass")
        .await;
    assert!(run.0.to_string().len() < 100 << 20);
    assert_ne!(run.outcome(), "infrastructure", "{:?}", run.error());
    let hidden = python
        .run("open('.hidden', 'w').write('x')\nopen('seen', 'w').write('y')")
        .await;
    assert!(hidden.files().contains(&"seen"), "{hidden:?}");
    let none = python
        .execute(json!({ "code": "open('seen', 'w').write('y')", "collect": false }))
        .await;
    assert!(none.files().is_empty(), "{none:?}");
}

async fn f6_archives_are_only_bytes(python: &Python) {
    let bomb = "import zlib, gzip\nopen('bomb.gz', 'wb').write(gzip.compress(bytes(20 << 20)))\n\
                import os\nsize = os.path.getsize('bomb.gz')";
    let run = python.run(&format!("{bomb}\nsize")).await;
    let file = &run.0["files"][0];
    assert_eq!(
        (file["name"].as_str(), &file["size"]),
        (Some("bomb.gz"), run.result()),
        "{:?}",
        run.error()
    );
}

/// Names change under the hands of whoever collects, as long as anything of the run lives.
async fn x_swapped_while_collected(python: &Python) {
    let code = r"
import os
if os.fork() == 0:
    os.setsid()
    while True:
        try:
            open('a', 'w').write('mine')
            os.rename('a', 'b')
            os.symlink('/etc/passwd', 'a')
            os.rename('a', 'b')
            os.mkdir('c')
            os.rename('c', 'd')
            os.symlink('/etc', 'd2')
            os.rename('d2', 'e')
        except OSError:
            pass
for number in range(300):
    open('file%d' % number, 'w').write('x' * 10000)";
    for _ in 0..5 {
        let run = python.run(code).await;
        assert_ne!(run.outcome(), "infrastructure", "{:?}", run.error());
        assert!(!run.0.to_string().contains(HOST_SECRET));
        let contents = run.0["files"].as_array().into_iter().flatten();
        for base64 in contents.filter_map(|file| file["base64"].as_str()) {
            assert!(!base64.starts_with("cm9vd"), "that is /etc/passwd");
        }
    }
}

async fn x_sparse_files(python: &Python) {
    let run = python.run("try:\n    with open('sparse', 'wb') as file:\n        file.truncate(1 << 40)\nexcept OSError as error:\n    pass\nwith open('small', 'w') as file: file.write('x')").await;
    assert_ne!(run.outcome(), "infrastructure", "{:?}", run.error());
    assert!(
        run.0.to_string().len() < 64 << 20,
        "a file without content became an answer full of it"
    );
}

/// A module in the working directory must not be what the machinery imports, nor outlive its run.
async fn x_code_beside_the_code(python: &Python) {
    let evil = "raise SystemExit('evil ran')";
    let files: Value = [
        "sitecustomize.py",
        "usercustomize.py",
        "json.py",
        "socket.py",
        "os.py",
        "struct.py",
        "evil.pth",
        "encodings/__init__.py",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), json!(evil)))
    .collect::<serde_json::Map<_, _>>()
    .into();
    let run = python
        .execute(json!({ "code": "print('fine')\n[1, {'a': 2.5}]", "files": files }))
        .await;
    assert_eq!(
        (run.outcome(), run.stdout(), run.result()),
        ("ok", "fine\n", &json!([1, { "a": 2.5 }])),
        "{run:?}"
    );
}

async fn x_files_are_lossless(python: &Python) {
    let code = "data = open('in.bin', 'rb').read()\nopen('out.bin', 'wb').write(data[::-1])\nlen(data)";
    let run = python
        .execute(json!({ "code": code, "files": { "in.bin": { "base64": "AP/+gAoNGg==" } } }))
        .await;
    assert_eq!(run.result(), 7, "{run:?}");
    let files = run.0["files"].as_array().unwrap();
    let out = files.iter().find(|file| file["name"] == "out.bin").unwrap();
    assert_eq!(
        (out["base64"].as_str(), &out["size"]),
        (Some("Gg0KgP7/AA=="), &json!(7)),
        "{run:?}"
    );
}

/// In a session the code goes on while its files are collected by a process of its own user.
async fn x_whoever_hunts_the_collector(python: &Python) {
    let level = python.level.name();
    let opened = python.host.call("python/open", json!({ "level": level })).await;
    let session = opened["session"].clone();
    let hunter = r"
import os, signal
mother = os.getpid()
if os.fork() == 0:
    while True:
        for name in os.listdir('/proc'):
            if name.isdigit() and int(name) not in (1, mother, os.getpid()):
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    try: os.kill(int(name), number)
                    except OSError: pass";
    let run = json!({ "session": session, "code": hunter });
    python.host.call("python/run", run).await;
    for number in 0..15 {
        let code = format!("open('file-{number}', 'w').write('mine')");
        let run = json!({ "session": session, "code": code, "timeout": 5 });
        let done = python.host.call("python/run", run).await;
        let told = done["truncated"]["files"] == true;
        let given = done["files"].as_array().is_some_and(|files| files.len() == 1);
        assert!(given || told, "nothing is lost without a word: {done}");
        assert!(
            given || python.level == Level::Restricted,
            "another identity is out of its reach: {done}"
        );
    }
    let close = json!({ "session": session });
    python.host.rpc("python/close", close).await;
}
