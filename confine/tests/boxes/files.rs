//! What may be written, and how much.

use serde_json::json;

use crate::support::{everybody, python, scratch, told};

#[test]
fn only_what_was_named_may_be_written() {
    let program = r#"
def write(path): return attempt(lambda: open(path, "w").write("x"))
import sysconfig
tell(refused={path: write(path) for path in ["/x", "/usr/x", "/usr/bin/python3", "/etc/passwd", "/etc/x", "/dev/x", "/run/x", "/lib/x",
     sysconfig.get_path("stdlib") + "/json/__init__.py", sysconfig.get_path("stdlib") + "/sitecustomize.py", "/proc/1/x"]},
     work=write("/work/x"), shm=write("/dev/shm/x"), null=write("/dev/null"), control=write("/run/gleitzeit/x"))
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        for (path, result) in results["refused"].as_object().unwrap() {
            let refused = ["EROFS", "EACCES", "ENOENT", "EPERM"].contains(&result.as_str().unwrap());
            assert!(refused, "{path} as {who:?}: {result}");
        }
        assert_eq!(
            [&results["work"], &results["shm"], &results["null"]],
            ["OK", "OK", "OK"],
            "{who:?}"
        );
        // Where the kernel has Landlock, the directory of the control channel holds sockets and nothing else.
        let control = results["control"].as_str().unwrap();
        assert!(["EACCES", "OK"].contains(&control), "{control}");
    }
}

#[test]
fn a_directory_holds_as_much_as_was_said() {
    let program = r#"
def fill():
    for number in range(64):
        with open(f"/work/{number}", "wb") as file:
            for _ in range(16): file.write(b"x" * 65536); file.flush()
full = attempt(fill)
held = sum(os.stat("/work/" + entry).st_size for entry in os.listdir("/work"))
for entry in os.listdir("/work"): os.unlink("/work/" + entry)
again = attempt(lambda: open("/work/again", "wb").write(b"x" * 65536))
def files():
    for number in range(100000): open(f"/work/{number}", "w").close()
tell(full=full, held=held <= 4 << 20, again=again, files=attempt(files), shm=attempt(lambda: [open(f"/dev/shm/{n}", "wb").write(b"x" * 65536) for n in range(64)]),
     control=attempt(lambda: [socket.socket(socket.AF_UNIX).bind(f"/run/gleitzeit/{n}") for n in range(1000)]))
"#;
    for who in everybody() {
        let mut workload = python(program);
        workload.limits.open_files = Some(64);
        let results = told(who, &workload);
        let mut expected = json!({
            "full": "ENOSPC", "held": true, "again": "OK", "files": "ENOSPC", "shm": "ENOSPC", "control": "ENOSPC",
        });
        // Sockets that nobody holds are closed at once, so it is the directory that is full.
        if results["control"] == "EMFILE" {
            expected["control"] = json!("EMFILE");
        }
        assert_eq!(results, expected, "{who:?}");
    }
}

#[test]
fn no_file_is_larger_than_was_said() {
    let program = r#"
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
fd = os.open("/work/big", os.O_RDWR | os.O_CREAT)
tell(truncate=attempt(lambda: os.ftruncate(fd, 1 << 40)), allocate=attempt(lambda: os.posix_fallocate(fd, 0, 1 << 40)),
     write=attempt(lambda: os.pwrite(fd, b"x", (2 << 20) + 1)), small=attempt(lambda: os.ftruncate(fd, 1 << 20)))
"#;
    for who in everybody() {
        let mut workload = python(program);
        workload.scratch = vec![scratch("/work", 64 << 20, 16)];
        let results = told(who, &workload);
        let expected = json!({ "truncate": "EFBIG", "allocate": "EFBIG", "write": "EFBIG", "small": "OK" });
        assert_eq!(results, expected, "{who:?}");
    }
}

#[test]
fn what_the_operator_shows_is_read_and_not_written() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(directory.path().join("a"), "text").unwrap();
    let program = r#"
tell(read=open("/data/set/a").read(), write=attempt(lambda: open("/data/set/b", "w")), work=os.getcwd())
"#;
    for who in everybody() {
        let mut workload = python(program);
        workload.readable = [(directory.path().display().to_string(), "/data/set".to_owned())].into();
        workload.working_directory = Some("/work".to_owned());
        assert_eq!(
            told(who, &workload),
            json!({ "read": "text", "write": "EROFS", "work": "/work" }),
            "{who:?}"
        );
    }
}
