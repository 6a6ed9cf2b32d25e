//! Code against process 1 of its box, which watches over it.
//!
//! As root it is another user there; without rights both are one, and what is left is what the system calls, the
//! supervisor's own hiding and its place as process 1 give.

use confine::End;
use serde_json::json;

use crate::support::{Who, everybody, run, supervisor, told};

/// Runs `ATTACK` in a child as whoever code is here, and tells what it told if process 1 is well after it.
const SUPERVISED: &str = r#"
C.prctl(4, 0, 0, 0, 0)  # hidden
several = open("/proc/self/uid_map").read().split()[2] != "1"
read, write = os.pipe()
child = os.fork()
if child == 0:
    if several:
        os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
    C.prctl(4, 1, 0, 0, 0)
    try:
        results = attack()
    except BaseException as error:
        results = {"raised": repr(error)}
    os.write(write, json.dumps(results).encode())
    os._exit(0)
os.close(write)
results = b""
while chunk := os.read(read, 65536):
    results += chunk
os.waitpid(child, 0)
tell(results=json.loads(results or b"null"), alive=True)
"#;

fn supervised(attack: &str) -> String {
    format!("def attack():\n{attack}\n{SUPERVISED}")
}

#[test]
fn what_process_1_is_and_has_cannot_be_seen() {
    let attack = r#"
    return {path: attempt(lambda: open("/proc/1/" + path, "rb").read(1)) if path != "fd" else attempt(lambda: os.listdir("/proc/1/fd"))
            for path in ["environ", "mem", "maps", "fd", "stack", "syscall", "auxv"]} | {
            "root": attempt(lambda: os.listdir("/proc/1/root")), "cwd": attempt(lambda: os.readlink("/proc/1/cwd"))}"#;
    for who in everybody() {
        let results = told(who, &supervisor(&supervised(attack)));
        for (path, result) in results["results"].as_object().unwrap() {
            let hidden = ["EACCES", "EPERM", "ENOENT"].contains(&result.as_str().unwrap());
            assert!(hidden, "{path} as {who:?}: {result}");
        }
    }
}

#[test]
fn process_1_cannot_be_taken_over() {
    let attack = r#"
    return dict(attach=call(101 if X86 else 117, 16, 1, 0, 0), seize=call(101 if X86 else 117, 0x4206, 1, 0, 0),
                read=call(310 if X86 else 270, 1, None, 0, None, 0, 0), write=call(311 if X86 else 271, 1, None, 0, None, 0, 0),
                mem=attempt(lambda: open("/proc/1/mem", "r+b")))"#;
    for who in everybody() {
        let results = told(who, &supervisor(&supervised(attack)));
        for (name, result) in results["results"].as_object().unwrap() {
            let refused = ["EPERM", "EACCES", "ENOENT"].contains(&result.as_str().unwrap());
            assert!(refused, "{name} as {who:?}: {result}");
        }
    }
}

#[test]
fn process_1_cannot_be_starved() {
    let attack = r#"
    import resource
    return dict(cpu=attempt(lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))),
                files=attempt(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))),
                affinity=attempt(lambda: os.sched_setaffinity(1, {0})), nice=attempt(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)),
                group=attempt(lambda: os.setpriority(os.PRIO_PGRP, 1, 19)), user=attempt(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19)),
                scheduler=attempt(lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))),
                io=call(251 if X86 else 30, 1, 1, 3 << 13))"#;
    for who in everybody() {
        let results = told(who, &supervisor(&supervised(attack)));
        for (name, result) in results["results"].as_object().unwrap() {
            assert_eq!(result, "EPERM", "{name} as {who:?}");
        }
    }
}

#[test]
fn process_1_cannot_be_killed() {
    let attacks = [
        "    os.kill(1, signal.SIGKILL)\n",
        "    os.kill(1, signal.SIGSTOP)\n",
        "    os.kill(-1, signal.SIGKILL)\n",
        "    os.kill(0, signal.SIGKILL)\n",
        "    [os.kill(1, number) for number in range(1, 65) if number not in (32, 33)]\n",
    ];
    // As any supervisor should: an interpreter's own answer to an interrupt is to end.
    let deaf = "signal.signal(signal.SIGINT, signal.SIG_DFL)\n";
    for who in everybody() {
        for attack in attacks {
            let outcome = run(who, &supervisor(&format!("{deaf}{}", supervised(attack))));
            assert_eq!(outcome.end(), &End::Exited(0), "{attack} as {who:?}: {outcome:?}");
            assert_eq!(outcome.told()["alive"], true, "{attack} as {who:?}");
        }
    }
}

#[test]
fn its_own_limits_may_be_lowered_and_its_own_children_watched() {
    let attack = r#"
    import resource, subprocess
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    return dict(child=subprocess.run(["/usr/bin/true"]).returncode, nice=attempt(lambda: os.nice(5)))"#;
    for who in everybody() {
        let results = told(who, &supervisor(&supervised(attack)));
        assert_eq!(results["results"], json!({ "child": 0, "nice": "OK" }), "{who:?}");
    }
}

#[test]
fn the_box_cannot_keep_its_own_lifeline_open() {
    let attack = r#"
    return dict(stdin=attempt(lambda: os.open("/proc/self/fd/0", os.O_WRONLY)),
                outlive=name(0 if C.prctl(1, 0, 0, 0, 0) == 0 else ctypes.get_errno()))"#;
    for who in everybody() {
        let results = told(who, &supervisor(&supervised(attack)));
        assert_eq!(results["results"]["outlive"], "EPERM", "{who:?}");
        if who == Who::Root {
            assert_eq!(results["results"]["stdin"], "EACCES");
        }
    }
}
