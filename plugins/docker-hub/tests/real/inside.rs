//! What code in a box can do, asked from inside. The letters are those of the checklist for sandboxes: escape (A),
//! disk (D), network (N), runner (P).

use std::collections::BTreeMap;

use plugin_api::ErrorCode;
use plugin_api::contract::workload::{Isolation, Network, Syscalls, Workload};
use serde_json::json;

use crate::support::{Real, Runner, docker, real, workload};

/// `EPERM`.
const REFUSED: u64 = 1;

async fn inside(real: &Real, workload: &Workload) -> (std::sync::Arc<plugin_api::ResourceInstance>, Runner) {
    let instance = real.start(workload).await.unwrap();
    let runner = Runner::connect(&instance).await;
    (instance, runner)
}

/// The numbers of system calls differ between processors; these are x86-64's.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn calls_by_which_programs_break_out_are_refused() {
    let Some(real) = real(json!({})).await else { return };
    let calls = [
        ("ptrace", 101),
        ("personality", 135),
        ("mount", 165),
        ("reboot", 169),
        ("init_module", 175),
        ("kexec_load", 246),
        ("add_key", 248),
        ("keyctl", 250),
        ("unshare", 272),
        ("perf_event_open", 298),
        ("open_by_handle_at", 304),
        ("setns", 308),
        ("process_vm_readv", 310),
        ("kcmp", 312),
        ("bpf", 321),
        ("userfaultfd", 323),
        ("io_uring_setup", 425),
        ("pidfd_open", 434),
        ("pidfd_getfd", 438),
    ];
    for syscalls in [Syscalls::Standard, Syscalls::Strict] {
        let workload = Workload {
            syscalls,
            ..workload()
        };
        let (instance, mut runner) = inside(&real, &workload).await;
        for (name, number) in calls {
            assert_eq!(
                runner.eval(&format!("call({number}, 0, 0, 0, 0, 0)")).await,
                REFUSED,
                "{syscalls:?}: {name}"
            );
        }
        // CLONE_NEWUSER, and limits of another process.
        assert_eq!(
            runner.eval("call(56, 0x10000000 | 17, 0, 0, 0, 0)").await,
            REFUSED,
            "{syscalls:?}: clone"
        );
        assert_eq!(
            runner.eval("call(302, 1, 7, 0, 0)").await,
            REFUSED,
            "{syscalls:?}: prlimit64 of another"
        );
        assert_eq!(
            runner.eval("call(302, 0, 7, 0, 0)").await,
            0,
            "{syscalls:?}: prlimit64 of oneself"
        );
        // clone3 is said not to exist, so that the C library takes clone.
        assert_eq!(runner.eval("call(435, 0, 0)").await, 38, "{syscalls:?}: clone3");
        // Memory that is no process's; and what the interpreter does without it.
        assert_eq!(
            runner.eval("call(319, 0, 0)").await,
            REFUSED,
            "{syscalls:?}: memfd_create"
        );
        assert_eq!(
            runner.eval("call(29, 0, 4096, 0o1600)").await,
            REFUSED,
            "{syscalls:?}: shmget"
        );
        assert_eq!(
            runner.eval("ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()").await,
            7,
            "{syscalls:?}: functions that C calls"
        );
        assert_eq!(
            runner
                .eval("__import__('multiprocessing.shared_memory').shared_memory.SharedMemory(create=True, size=64).size >= 64")
                .await,
            true,
            "{syscalls:?}: shared memory with a name"
        );
        real.stop(&instance).await;
    }
}

#[tokio::test]
async fn sockets_are_those_of_ordinary_programs() {
    let Some(real) = real(json!({})).await else { return };
    let attempt = |family: u8, kind: u8| format!("attempt(lambda: socket.socket({family}, {kind}).close())");
    for (syscalls, internet) in [
        (Syscalls::Standard, json!(null)),
        (Syscalls::Strict, json!("errno 1")),
    ] {
        let (instance, mut runner) = inside(
            &real,
            &Workload {
                syscalls,
                ..workload()
            },
        )
        .await;
        assert_eq!(runner.eval(&attempt(1, 1)).await, json!(null), "AF_UNIX");
        assert_eq!(
            runner.eval(&attempt(2, 1)).await,
            internet,
            "{syscalls:?}: AF_INET"
        );
        for (name, family, kind) in [
            ("AF_NETLINK", 16, 3),
            ("AF_PACKET", 17, 3),
            ("AF_ALG", 38, 5),
            ("AF_VSOCK", 40, 1),
        ] {
            assert_eq!(
                runner.eval(&attempt(family, kind)).await,
                "errno 1",
                "{syscalls:?}: {name}"
            );
        }
        // Raw sockets need a capability that is gone.
        let raw = runner.eval("attempt(lambda: socket.socket(2, 3, 1))").await;
        assert_eq!(raw, "errno 1", "{syscalls:?}: raw");
        real.stop(&instance).await;
    }
}

#[tokio::test]
async fn rights_are_the_workloads_own_and_no_more() {
    let Some(real) = real(json!({})).await else { return };
    let (instance, mut runner) = inside(&real, &workload()).await;
    let status = runner
        .eval("dict(line.rstrip().split(':\t', 1) for line in open('/proc/self/status') if ':\t' in line)")
        .await;
    // SETGID, SETUID, KILL.
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(
            status[set]
                .as_str()
                .map(|mask| u64::from_str_radix(mask, 16).unwrap()),
            Some(0b1110_0000),
            "{set}"
        );
    }
    assert_eq!(
        status["CapInh"]
            .as_str()
            .map(|mask| u64::from_str_radix(mask, 16).unwrap() & !0b1110_0000),
        Some(0)
    );
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2");
    assert_eq!(runner.eval("os.getpid()").await, 1);
    for attempt in [
        "os.chown('/work', 1, 1)",
        "os.mknod('/work/device', 0o600 | 0o020000, os.makedev(1, 1))",
        "os.mkdir('/etc/more')",
        "open('/proc/sys/kernel/core_pattern', 'w').write('x')",
        "open('/proc/sysrq-trigger', 'w').write('b')",
        "open('/sys/fs/cgroup/memory/release_agent', 'w').write('x')",
        "open('/proc/kcore', 'rb').read(1)",
        "os.open('/dev/mem', os.O_RDONLY)",
    ] {
        let answer = runner.eval(&format!("attempt(lambda: {attempt})")).await;
        let answer = answer
            .as_str()
            .map(str::to_owned)
            .unwrap_or_else(|| answer.to_string());
        assert!(
            answer.starts_with("errno") || answer == "\"\"" || answer.contains("b''"),
            "{attempt}: {answer}"
        );
    }
    real.stop(&instance).await;
}

#[tokio::test]
async fn nothing_of_the_machine_is_to_be_seen() {
    let Some(real) = real(json!({})).await else { return };
    let (instance, mut runner) = inside(&real, &workload()).await;
    let environment: BTreeMap<String, String> =
        serde_json::from_value(runner.eval("dict(os.environ)").await).unwrap();
    let mut names: Vec<&str> = environment.keys().map(String::as_str).collect();
    // The engine sets HOME from the image's users, and a search path so that programs are found.
    names.retain(|name| !["HOME", "PATH", "LC_CTYPE"].contains(name));
    assert_eq!(names, ["GLEITZEIT_CONTROL", "GREETING"]);
    assert_eq!(runner.eval("os.uname().nodename").await, "box");
    let mounts = runner.eval("open('/proc/self/mountinfo').read()").await;
    for sign in ["docker.sock", "containerd.sock"] {
        assert!(!mounts.as_str().unwrap().contains(sign), "{sign}");
    }
    let devices = runner.eval("sorted(os.listdir('/dev'))").await;
    for device in ["kvm", "mem", "sda", "vda", "fuse"] {
        assert!(!devices.as_array().unwrap().contains(&json!(device)), "{device}");
    }
    assert_eq!(
        runner.eval("os.listdir('/run/gleitzeit')").await,
        json!(["control.sock"])
    );
    // Only loopback, and nobody to be reached.
    assert_eq!(runner.eval("os.listdir('/sys/class/net')").await, json!(["lo"]));
    assert_eq!(
        runner
            .eval("attempt(lambda: socket.create_connection(('169.254.169.254', 80), 2))")
            .await,
        "errno 101"
    );
    real.stop(&instance).await;
}

#[tokio::test]
async fn what_can_be_written_has_an_end() {
    let Some(real) = real(json!({})).await else { return };
    let (instance, mut runner) = inside(&real, &workload()).await;
    let fill = "attempt(lambda: open('/work/big', 'wb').write(bytes(6 << 20)))";
    assert_eq!(runner.eval(fill).await, "errno 28", "bytes");
    let many = "attempt(lambda: [open('/work/%d' % n, 'w').close() for n in range(100)])";
    assert_eq!(runner.eval(many).await, "errno 28", "files");
    for attempt in [
        "open('/tmp/x', 'w')",
        "open('/usr/x', 'w')",
        "open('/etc/x', 'w')",
    ] {
        assert_eq!(
            runner.eval(&format!("attempt(lambda: {attempt})")).await,
            "errno 30",
            "{attempt}"
        );
    }
    let descriptors = "attempt(lambda: [os.dup(0) for _ in range(100)])";
    assert_eq!(runner.eval(descriptors).await, "errno 24", "open files");
    real.stop(&instance).await;
}

#[tokio::test]
async fn a_fork_bomb_stays_inside_and_can_be_stopped() {
    let Some(real) = real(json!({})).await else { return };
    let (instance, mut runner) = inside(&real, &workload()).await;
    let bomb = "attempt(lambda: [os.fork() or __import__('time').sleep(600) for _ in range(100)])";
    assert_eq!(runner.eval(bomb).await, "errno 11");
    let began = std::time::Instant::now();
    real.stop(&instance).await;
    assert!(began.elapsed().as_secs() < 5);
    real.gone(&instance).await;
}

#[tokio::test]
async fn a_socket_that_the_guest_replaces_by_a_link_is_not_followed() {
    let Some(real) = real(json!({ "ready_timeout": "5s" })).await else {
        return;
    };
    let mut workload = workload();
    let link = "import os, time; os.symlink('/var/run/docker.sock', os.environ['GLEITZEIT_CONTROL']); time.sleep(60)";
    workload.command = ["/usr/bin/python3", "-c", link].map(str::to_owned).into();
    let error = real.start(&workload).await.unwrap_err();
    assert!(
        error
            .message
            .contains("something else in the place of its socket"),
        "{error}"
    );
}

#[tokio::test]
async fn a_link_that_is_made_later_leads_nowhere_either() {
    let Some(real) = real(json!({})).await else { return };
    let (instance, mut runner) = inside(&real, &workload()).await;
    let replace = "(os.unlink(where), os.symlink('/var/run/docker.sock', where))";
    assert!(runner.eval(replace).await.is_array());
    drop(runner);
    // It is still the guest that answers.
    let mut runner = Runner::connect(&instance).await;
    assert_eq!(runner.eval("6 * 7").await, 42);
    real.stop(&instance).await;
}

/// What makes a workload weaker.
type Weaken = fn(&mut Workload);

#[tokio::test]
async fn what_would_be_a_weaker_box_is_refused() {
    let Some(real) = real(json!({})).await else { return };
    let weaker: [(&str, Weaken); 12] = [
        ("isolation", |workload| workload.isolation = Isolation::None),
        ("system", |workload| workload.isolation = Isolation::System),
        ("syscalls", |workload| workload.syscalls = Syscalls::Unfiltered),
        ("host network", |workload| workload.network = Network::Host),
        ("host network by name", |workload| {
            workload.network = Network::Named("host".into())
        }),
        ("another's network", |workload| {
            workload.network = Network::Named("container:other".into())
        }),
        ("capability", |workload| {
            workload.capabilities.extend(["SYS_ADMIN".to_owned()])
        }),
        ("the engine's socket", |workload| {
            drop(
                workload
                    .readable
                    .insert("/var/run/docker.sock".into(), "/s".into()),
            )
        }),
        ("a directory above it", |workload| {
            drop(workload.readable.insert("/var".into(), "/s".into()))
        }),
        ("runtime", |workload| {
            workload.runtime = Some("no-such-runtime".into())
        }),
        ("gpus", |workload| workload.gpus = vec!["all".into()]),
        ("user by name", |workload| workload.user = Some("root".into())),
    ];
    for (what, change) in weaker {
        let mut workload = workload();
        change(&mut workload);
        let error = real.start(&workload).await.unwrap_err();
        let refused = [ErrorCode::VALIDATION, ErrorCode::NOT_AVAILABLE];
        assert!(refused.contains(&error.code), "{what}: {error:?}");
    }
    assert!(
        docker(&["ps", "-aq", "--filter", "label=gleitzeit.kind=none"])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn what_may_be_read_is_read_and_neither_written_nor_more_than_was_named() {
    let Some(real) = real(json!({})).await else { return };
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("note"), "a note").unwrap();
    let readable = (directory.path().display().to_string(), "/data".to_owned());
    let (instance, mut runner) = inside(
        &real,
        &Workload {
            readable: [readable].into(),
            ..workload()
        },
    )
    .await;
    assert_eq!(runner.eval("open('/data/note').read()").await, json!("a note"));
    assert_eq!(
        runner.eval("attempt(lambda: open('/data/more', 'w'))").await,
        json!("errno 30")
    );
    real.stop(&instance).await;
    let found = std::fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(found, 1);
}
