//! Getting out, and getting more rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use confine::End;
use plugin_api::contract::workload::Syscalls;
use serde_json::{Value, json};

use crate::support::{Who, everybody, python, run, supervisor, told};

/// Every value of an object is this one.
fn all_are(who: Who, results: &Value, expected: &str) {
    for (name, result) in results.as_object().unwrap() {
        assert_eq!(result, expected, "{name} as {who:?}");
    }
}

#[test]
fn nothing_is_mounted() {
    let program = r#"
tell(mount=name(0 if C.mount(b"none", b"/work", b"tmpfs", 0, None) == 0 else ctypes.get_errno()),
     umount=name(0 if C.umount2(b"/proc", 2) == 0 else ctypes.get_errno()),
     remount=name(0 if C.mount(b"none", b"/", None, 32, None) == 0 else ctypes.get_errno()),
     pivot=call(155 if X86 else 41, b"/work", b"/work"), chroot=attempt(lambda: os.chroot("/work")))
"#;
    for who in everybody() {
        all_are(who, &told(who, &python(program)), "EPERM");
    }
}

#[test]
fn no_sockets_but_ordinary_ones() {
    let program = r#"
def open_socket(*arguments): return attempt(lambda: socket.socket(*arguments).close())
tell(refused=dict(packet=open_socket(17, socket.SOCK_RAW, 0), icmp=open_socket(2, socket.SOCK_RAW, 1),
     icmp6=open_socket(10, socket.SOCK_RAW, 58), ping=open_socket(2, socket.SOCK_DGRAM, 1),
     vsock=open_socket(40, socket.SOCK_STREAM, 0), alg=open_socket(38, socket.SOCK_SEQPACKET, 0),
     netlink=open_socket(16, socket.SOCK_RAW, 0), bluetooth=open_socket(31, socket.SOCK_RAW, 0),
     sctp=open_socket(2, socket.SOCK_STREAM, 132), xdp=open_socket(44, socket.SOCK_RAW, 0)),
     allowed=dict(unix=open_socket(1, socket.SOCK_STREAM, 0), tcp=open_socket(2, socket.SOCK_STREAM, 6),
     udp=open_socket(10, socket.SOCK_DGRAM, 0)))
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        all_are(who, &results["refused"], "EPERM");
        all_are(who, &results["allowed"], "OK");
        let mut strict = python(program);
        strict.syscalls = Syscalls::Strict;
        let results = told(who, &strict);
        assert_eq!(
            results["allowed"],
            json!({ "unix": "OK", "tcp": "EPERM", "udp": "EPERM" }),
            "{who:?}"
        );
    }
}

#[test]
fn the_dangerous_parts_of_the_kernel_are_out_of_reach() {
    let program = r#"
tell(io_uring=call(425, 1, None), bpf=call(321 if X86 else 280, 0, None, 0), userfaultfd=call(323 if X86 else 282, 0),
     perf=call(298 if X86 else 241, None, 0, 0, 0, 0), keyctl=call(250 if X86 else 219, 0, 0, 0),
     add_key=call(248 if X86 else 217, None, None, None, 0, 0), request_key=call(249 if X86 else 218, None, None, None, 0),
     kexec=call(246 if X86 else 104, 0, 0, None, 0), init_module=call(175 if X86 else 105, None, 0, None),
     by_handle=call(304 if X86 else 265, 0, None, 0), personality=call(135 if X86 else 92, 0x0040000),
     kcmp=call(312 if X86 else 272, 1, 1, 0, 0, 0), pidfd_open=call(434, 1, 0), pidfd_getfd=call(438, 0, 0, 0),
     madvise=call(440, 0, None, 0, 0, 0), fsopen=call(430, b"tmpfs", 0), open_tree=call(428, -100, b"/", 0),
     fanotify=call(300 if X86 else 262, 0, 0), memfd_secret=call(447, 0), quotactl=call(443, 0, 0, 0, None))
"#;
    for who in everybody() {
        all_are(who, &told(who, &supervisor(program)), "EPERM");
    }
}

#[test]
fn no_new_namespaces_by_any_door() {
    let program = r#"
USER, NS, NET = 0x10000000, 0x20000, 0x40000000
clone = 56 if X86 else 220
tell(refused=dict(unshare=call(272 if X86 else 97, USER), unshare_ns=call(272 if X86 else 97, NS),
     setns=call(308 if X86 else 268, 0, 0), clone_user=call(clone, USER | 17, None, None, None, None),
     clone_net=call(clone, NET | 17, None, None, None, None)),
     missing=dict(clone3=call(435, None, 88), newest=call(1000), x32=call(0x40000000 | 1, 1, b"x", 1)))
"#;
    for who in everybody() {
        let results = told(who, &supervisor(program));
        all_are(who, &results["refused"], "EPERM");
        all_are(who, &results["missing"], "ENOSYS");
    }
}

#[test]
fn exactly_the_capabilities_that_were_named() {
    let program = r#"
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
tell(sets={status[key].strip() for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}.__len__(),
     value=int(status["CapEff"], 16), new=status["NoNewPrivs"].strip(), seccomp=status["Seccomp"].strip())
"#;
    for who in everybody() {
        let kill_setgid_setuid = 1 << 5 | 1 << 6 | 1 << 7;
        let expected = json!({ "sets": 1, "value": kill_setgid_setuid, "new": "1", "seccomp": "2" });
        assert_eq!(told(who, &supervisor(program)), expected, "{who:?}");
        let none = json!({ "sets": 1, "value": 0, "new": "1", "seccomp": "2" });
        assert_eq!(told(who, &python(program)), none, "{who:?}");
        let mut nobody = supervisor(program);
        nobody.user = Some("65534:65534".to_owned());
        assert_eq!(told(who, &nobody), expected, "{who:?}");
    }
}

#[test]
fn whoever_starts_as_0_is_nobody_of_this_machine() {
    let program = "print(os.getuid(), os.getgid(), os.getgroups(), flush=True); time.sleep(60)";
    for who in everybody() {
        let mut running = crate::support::start(who, &python(program));
        let pid = running.started();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for line in status
            .lines()
            .filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"))
        {
            for id in line.split_ascii_whitespace().skip(1) {
                assert_ne!(id, "0", "{who:?}: {line}");
            }
        }
    }
}

#[test]
fn a_suid_program_gives_nothing() {
    if !everybody().contains(&Who::Root) {
        return; // nobody else can make one that is root's
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("suid-python");
    fs::copy("/usr/bin/python3", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    let code = r#"
import subprocess
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
shown = subprocess.run(["/opt/suid/suid-python", "-I", "-c", "import os; print(os.getresuid())"], capture_output=True, text=True)
tell(out=shown.stdout.strip(), mode=oct(os.stat("/opt/suid/suid-python").st_mode))
"#;
    let mut workload = supervisor(code);
    workload.readable = [(directory.path().display().to_string(), "/opt/suid".to_owned())].into();
    let results = told(Who::Root, &workload);
    assert_eq!(
        results,
        json!({ "out": "(65534, 65534, 65534)", "mode": "0o104755" })
    );
}

#[test]
fn the_kernels_settings_are_not_to_be_written() {
    let program = r#"
def write(path): return attempt(lambda: open(path, "w").close())
paths = ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/proc/sys/user/max_user_namespaces",
         "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/memory/release_agent", "/proc/irq/default_smp_affinity"]
tell(write={path: write(path) for path in paths},
     read={path: attempt(lambda: open(path, "rb").read(1)) if not os.path.exists(path) or os.stat(path).st_size or open(path, "rb").read(1) else "EMPTY"
           for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms", "/proc/kmsg", "/proc/key-users"]},
     sys=os.path.exists("/sys"))
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        for (path, result) in results["write"].as_object().unwrap() {
            let refused = ["EROFS", "EACCES", "ENOENT"].contains(&result.as_str().unwrap());
            assert!(refused, "{path} as {who:?}: {result}");
        }
        for (path, result) in results["read"].as_object().unwrap() {
            let hidden = ["EMPTY", "EACCES", "ENOENT"].contains(&result.as_str().unwrap());
            assert!(hidden, "{path} as {who:?}: {result}");
        }
        assert_eq!(results["sys"], false);
    }
}

#[test]
fn what_is_written_is_not_run() {
    let program = r#"
import shutil, subprocess
def run(*command):
    try:
        return "ran" if subprocess.run(command, capture_output=True).returncode == 0 else "failed"
    except OSError as error:
        return name(error.errno)
shutil.copy("/usr/bin/true", "/work/true"); os.chmod("/work/true", 0o755)
loader = next(path for path in ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-riscv64-lp64d.so.1") if os.path.exists(path))
def memory():
    try:
        fd = os.memfd_create("x")
    except OSError as error:
        return name(error.errno)
    os.write(fd, open("/usr/bin/true", "rb").read())
    return run(f"/proc/{os.getpid()}/fd/{fd}")
tell(file=run("/work/true"), loader=run(loader, "/work/true"), memory=memory())
"#;
    for who in everybody() {
        let standard = told(who, &python(program));
        assert_eq!(
            standard,
            json!({ "file": "EACCES", "loader": "failed", "memory": "EPERM" }),
            "{who:?}"
        );
        let mut strict = python(program);
        strict.syscalls = Syscalls::Strict;
        let strict = told(who, &strict);
        assert_eq!(
            strict,
            json!({ "file": "EACCES", "loader": "failed", "memory": "EPERM" }),
            "{who:?}"
        );
    }
}

#[test]
fn there_is_no_memory_that_is_no_process_s_and_interpreters_do_without() {
    let program = r#"
import multiprocessing.shared_memory, subprocess
shared = multiprocessing.shared_memory.SharedMemory(create=True, size=64)
shared.close(); shared.unlink()
tell(memfd=attempt(lambda: os.memfd_create("x")), shmget=call(29 if X86 else 194, 0, 4096, 0o1600),
     callback=ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)(), child=subprocess.run(["/usr/bin/true"]).returncode)
"#;
    for who in everybody() {
        let expected = json!({ "memfd": "EPERM", "shmget": "EPERM", "callback": 7, "child": 0 });
        assert_eq!(told(who, &supervisor(program)), expected, "{who:?}");
    }
}

#[test]
fn no_notes_are_left_on_files_for_those_who_come_later() {
    let program = r#"
import shutil
with open("/work/x", "w") as file:
    pass
tell(directory=attempt(lambda: os.setxattr("/work", "user.note", b"x")), file=attempt(lambda: os.setxattr("/work/x", "user.note", b"x")),
     open=attempt(lambda: os.setxattr(os.open("/work", os.O_RDONLY), "user.note", b"x")),
     link=attempt(lambda: os.setxattr("/work/x", "user.note", b"x", follow_symlinks=False)), at=call(463, -100, b"/work", 0, b"user.note", None, 0),
     shown=os.listxattr("/work"), copied=attempt(lambda: shutil.copy2("/work/x", "/work/y")))
"#;
    for who in everybody() {
        let expected = json!({
            "directory": "EPERM", "file": "EPERM", "open": "EPERM", "link": "EPERM", "at": "EPERM", "shown": [], "copied": "OK",
        });
        assert_eq!(told(who, &python(program)), expected, "{who:?}");
    }
}

#[test]
fn nothing_of_the_host_is_in_sight() {
    let program = r#"
mounts = [line.split()[4] for line in open("/proc/self/mountinfo")]
tell(there=[path for path in ["/var", "/root", "/home", "/srv", "/boot", "/opt", "/etc/shadow", "/etc/ssh", "/var/run/docker.sock", "/run/docker.sock",
     "/run/containerd", "/dev/mem", "/dev/kvm", "/dev/sda", "/dev/vda", "/dev/tty", "/dev/ptmx", "/old", "/new", "/tmp", "/mnt"] if os.path.lexists(path)],
     run=os.listdir("/run"), dev=sorted(os.listdir("/dev")), root=sorted(set(os.listdir("/")) - {"lib32", "libx32", "lib64", "sbin"}),
     fds=[fd for fd in os.listdir("/proc/self/fd") if int(fd) > 3], environment=sorted(os.environ), host=os.uname().nodename,
     groups=open("/proc/self/cgroup").read().count("gleitzeit"), odd=[m for m in mounts if m.startswith(("/home", "/old", "/var"))])
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        let expected = json!({
            "there": [], "run": ["gleitzeit"],
            "dev": ["fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"],
            "root": ["bin", "dev", "etc", "lib", "proc", "run", "usr", "work"], "fds": [],
            // The interpreter itself adds LC_CTYPE where it must.
            "environment": ["GLEITZEIT_CONTROL", "LANG"], "host": "box", "groups": 0, "odd": [],
        });
        assert_eq!(results, expected, "{who:?}");
    }
}

#[test]
fn no_device_no_other_owner_no_file_capability() {
    let program = r#"
open("/work/x", "w").close()
xattr = b"\x01\x00\x00\x02" + b"\xff\xff\xff\xff" * 4
tell(mknod=attempt(lambda: os.mknod("/work/mem", 0o020666, os.makedev(1, 1))), chown=attempt(lambda: os.chown("/work/x", 1, 1)),
     capability=attempt(lambda: os.setxattr("/work/x", "security.capability", xattr)), hostname=attempt(lambda: socket.sethostname("x")))
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        for (name, result) in results.as_object().unwrap() {
            // An identity that is not in the box at all is no valid one.
            let refused = ["EPERM", "EACCES", "EINVAL", "EOPNOTSUPP"].contains(&result.as_str().unwrap());
            assert!(refused, "{name} as {who:?}: {result}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_workload_is_told_and_nothing_runs() {
    use confine::Event;
    use plugin_api::contract::workload::Network;
    type Change = fn(&mut plugin_api::contract::workload::Workload);
    let changes: [(Change, &str); 7] = [
        (
            |workload| workload.capabilities = ["ALMIGHTY".to_owned()].into(),
            "ALMIGHTY",
        ),
        (
            |workload| workload.capabilities = ["KILL", "SYS_ADMIN"].map(str::to_owned).into(),
            "`SYS_ADMIN` is none that a box may have; those are KILL, SETGID, SETUID",
        ),
        (|workload| workload.user = Some("root".to_owned()), "root"),
        (|workload| workload.network = Network::Host, "network"),
        (|workload| workload.syscalls = Syscalls::Unfiltered, "unfiltered"),
        (
            |workload| workload.readable = [("/".to_owned(), "/all".to_owned())].into(),
            "belongs to the machine",
        ),
        (
            |workload| workload.working_directory = Some("/proc/nowhere".to_owned()),
            "nowhere",
        ),
    ];
    for who in everybody() {
        for (change, expected) in &changes {
            let mut workload = python("print('it runs')");
            change(&mut workload);
            let outcome = run(who, &workload);
            assert!(!outcome.printed.contains("it runs"));
            match outcome.last {
                Event::Refused(refusal) => {
                    assert!(refusal.workload, "{refusal:?}");
                    assert!(refusal.to_string().contains(expected), "{refusal}");
                }
                other => panic!("{expected}: {other:?}"),
            }
        }
        assert_eq!(run(who, &python("pass")).end(), &End::Exited(0));
    }
}
