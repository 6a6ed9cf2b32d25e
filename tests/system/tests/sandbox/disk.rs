//! D: disks and memory that look like disks.

use serde_json::json;

use crate::python::{Python, assert_all_refused};

cases! {
    d1_places_of_the_system,
    d2_and_d3_filled_and_free_again,
    d4_enormous_files,
    d5_shared_memory,
    x_watching_the_system,
    x_names_in_shared_memory,
}

async fn d1_places_of_the_system(python: &Python) {
    let attempts = r"
import site, sysconfig, glob
places = ['/', '/usr', '/usr/bin', '/usr/lib', '/etc', '/bin', '/lib', '/opt', '/srv', '/var', '/var/lib', '/root', '/home', '/run',
    '/boot', os.path.dirname(os.__file__), sys.prefix] + site.getsitepackages() + sys.path
found = {}
for place in places:
    if place and os.path.isdir(place) and os.path.realpath(place) != os.path.realpath(os.getcwd()):
        found[place] = tried(open, os.path.join(place, 'evil'), 'w')
found.update(many(lambda path: open(path, 'ab'), ['/etc/passwd', '/etc/hosts', '/etc/resolv.conf', '/etc/ld.so.preload', os.__file__, sys.executable]))
found['remove'] = tried(os.remove, '/etc/hostname')
found['rename'] = tried(os.rename, '/etc', '/etc2')
found";
    assert_all_refused(&python.attack(attempts).await);
}

async fn d2_and_d3_filled_and_free_again(python: &Python) {
    let free = "import os\n[os.statvfs('.').f_bavail * os.statvfs('.').f_frsize, os.statvfs('.').f_favail]";
    let before = python.run(free).await.result().clone();
    for fill in [
        "import os\ncount = 0\ntry:\n    while True:\n        open('%d' % count, 'w').close()\n        count += 1\nexcept OSError:\n    pass",
        "import os\ncount = 0\ntry:\n    while count < 4000:\n        with open('%d' % count, 'wb') as file: file.write(bytes(1 << 17))\n        count += 1\nexcept OSError:\n    pass",
        "import os\ncount = 0\ntry:\n    while count < 4000:\n        with open('/tmp/%d' % count, 'wb') as file: file.write(bytes(1 << 17))\n        count += 1\nexcept OSError:\n    pass",
    ] {
        let run = python
            .execute(json!({ "code": fill, "collect": false, "timeout": 10 }))
            .await;
        assert_ne!(run.outcome(), "infrastructure", "{fill}: {run:?}");
    }
    assert_eq!(
        python.run(free).await.result(),
        &before,
        "the room did not come back"
    );
    let writes = python.run("open('one', 'wb').write(bytes(1 << 20))").await;
    assert_eq!(writes.result(), 1 << 20, "{:?}", writes.error());
}

async fn d4_enormous_files(python: &Python) {
    let found = r"
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def truncate():
    with open('big', 'wb') as file:
        file.truncate(1 << 40)
def allocate():
    with open('big2', 'wb') as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 40)
def far():
    with open('big3', 'wb', 0) as file:
        file.seek(1 << 40)
        file.write(b'x')
{'truncate': tried(truncate), 'allocate': tried(allocate), 'far': tried(far)}";
    let found = python.attack(found).await;
    for (how, answer) in found.as_object().unwrap() {
        let answer = answer.as_str().unwrap();
        assert!(
            ["EFBIG", "ENOSPC", "EINVAL", "EPERM", "ENOSYS"].contains(&answer),
            "{how}: {answer}"
        );
    }
}

async fn d5_shared_memory(python: &Python) {
    let code = r"
import os
count = 0
try:
    with open('/dev/shm/evil', 'wb', 0) as file:
        while count < 2048:
            file.write(bytes(1 << 20))
            count += 1
except OSError:
    pass
result = count";
    let run = python.execute(json!({ "code": code, "timeout": 10 })).await;
    assert!(
        run.ran_out_of_memory() || run.result().as_u64().is_some_and(|written| written < 256),
        "{run:?}"
    );
    let locks = python
        .run("import multiprocessing\nlock = multiprocessing.Lock()\nwith lock:\n    result = 'locked'")
        .await;
    assert!(
        locks.result() == "locked" || locks.outcome() == "exception",
        "{locks:?}"
    );
}

/// Nothing that happens on the machine can be watched from inside: things happen there while the code watches, and the
/// watch is shown to work by what the code does itself.
async fn x_watching_the_system(python: &Python) {
    let watch = r"
watch = checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
for place in (b'/proc', b'/run', b'/tmp', b'/var/log', b'/etc', b'/dev', b'/dev/shm', b'/'):
    libc.inotify_add_watch(watch, place, 0xfff)
def seen():
    try:
        return os.read(watch, 65536)
    except BlockingIOError:
        return b''
open('/tmp/mine', 'w').close()
os.remove('/tmp/mine')
own = seen()
time.sleep(1)
[b'mine' in own, repr(seen())]";
    let (over, is_over) = tokio::sync::oneshot::channel::<()>();
    let happening = tokio::spawn(async move {
        let places = ["/tmp", "/run", "/dev/shm", "/var/log"].map(std::path::Path::new);
        let name = format!("gleitzeit-watched-{}", std::process::id());
        let mut made = 0;
        tokio::select! {
            _ = is_over => {}
            () = async {
                loop {
                    for place in places {
                        // Where we may not write, others do.
                        let path = place.join(&name);
                        made += usize::from(std::fs::write(&path, b"x").is_ok());
                        let _ = std::fs::remove_file(&path);
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            } => {}
        }
        made
    });
    let found = python.attack(watch).await;
    drop(over);
    assert_eq!(found, json!([true, "b''"]));
    assert!(happening.await.unwrap() > 20, "too little happened to be seen");
}

/// Empty files hold no bytes that a size would count, and memory all the same.
async fn x_names_in_shared_memory(python: &Python) {
    let code = "import os\nmade = 0\ntry:\n    while made < 20000:\n        open('/dev/shm/' + str(made).rjust(250, 'x'), 'w').close()\n        made += 1\nexcept OSError as error:\n    why = error.errno\n[made < 20000, why]";
    let run = python.execute(json!({ "code": code, "timeout": 20 })).await;
    assert_eq!(run.result(), &json!([true, 28]), "{run:?}");
}
