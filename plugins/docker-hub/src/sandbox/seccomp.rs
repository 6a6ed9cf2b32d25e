//! Which system calls a box is refused: a filter of our own, since what engines bring differs with their age.
//!
//! An allow-list: whatever is not named fails with `EPERM`, calls that do not exist yet among them. It is what engines
//! let through by default, less everything by which programs have broken out or spied on others. 32-bit calls are not
//! in it, so that there is one way to each call and not three.
//!
//! Nor is what makes memory that is no process's (`memfd_create`, `shmget`): whoever fills that stays small, and when
//! memory runs out the kernel ends the supervisor of the box in the place of the code.

use std::sync::OnceLock;

use plugin_api::contract::workload::Syscalls;
use serde_json::{Value, json};

/// Reading, writing and waiting.
const INPUT_OUTPUT: &str = "close close_range copy_file_range dup dup2 dup3 epoll_create epoll_create1 epoll_ctl \
    epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 fcntl fdatasync flock fsync io_cancel io_destroy io_getevents \
    io_pgetevents io_setup io_submit ioctl lseek pipe pipe2 poll ppoll pread64 preadv preadv2 pselect6 pwrite64 pwritev \
    pwritev2 read readahead readv select sendfile splice sync sync_file_range syncfs tee vmsplice write writev";

/// Files and directories, by path and by descriptor.
const FILES: &str = "access chdir chmod chown creat faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat \
    fchmodat2 fchown fchownat fgetxattr flistxattr fremovexattr fsetxattr fstat fstatfs ftruncate futimesat getcwd \
    getdents getdents64 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown lgetxattr link \
    linkat listxattr llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 \
    readlink readlinkat removexattr rename renameat renameat2 rmdir setxattr stat statfs statx symlink symlinkat \
    truncate umask unlink unlinkat utime utimensat utimes";

/// Memory.
const MEMORY: &str = "brk madvise membarrier mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock \
    munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages";

/// Processes, threads and signals, other processes' memory and descriptors excepted.
const PROCESSES: &str = "alarm arch_prctl capget capset execve exit exit_group fork futex futex_requeue futex_wait \
    futex_waitv futex_wake get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getitimer getpgid \
    getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get kill pause \
    prctl restart_syscall riscv_flush_icache rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn \
    rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity \
    sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_yield seccomp set_robust_list \
    set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setregid setresgid setresuid \
    setreuid setrlimit setsid setuid sigaltstack signalfd signalfd4 tgkill tkill vfork wait4 waitid";

/// Clocks, the machine's description, System V and POSIX queues (each box has its own), and giving rights away.
const REST: &str = "clock_getres clock_gettime clock_nanosleep getrandom gettimeofday landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend \
    mq_unlink msgctl msgget msgrcv msgsnd nanosleep semctl semget semop semtimedop shmat shmctl shmdt sysinfo time \
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime \
    timerfd_settime times uname";

/// What one does with a socket once one has it.
const SOCKETS: &str = "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg \
    sendmmsg sendmsg sendto setsockopt shutdown";

/// Running what is open already, by no name.
const UNNAMED_PROGRAMS: &str = "execveat";

/// Memory that is no process's.
const NOBODYS_MEMORY: &str = "memfd_create shmget";

/// The namespace flags of `clone`; a thread or a process needs none of them.
const NEW_NAMESPACES: u64 = 0x7E02_0000;

const UNIX: u64 = 1;
const INET: u64 = 2;
const INET6: u64 = 10;

/// The filter as engines take it; `None` where the workload asks for none, which no container gets.
pub(crate) fn profile(syscalls: Syscalls) -> Option<&'static str> {
    static STANDARD: OnceLock<String> = OnceLock::new();
    static STRICT: OnceLock<String> = OnceLock::new();
    match syscalls {
        Syscalls::Unfiltered => None,
        Syscalls::Standard => {
            Some(STANDARD.get_or_init(|| filter(&[UNIX, INET, INET6], UNNAMED_PROGRAMS).to_string()))
        }
        Syscalls::Strict => Some(STRICT.get_or_init(|| filter(&[UNIX], "").to_string())),
    }
}

/// The filter of containers that are no boxes: there is no supervisor in them who could be ended in another's place, and
/// databases among them that do not start without memory of that kind.
pub(crate) fn of_no_box() -> &'static str {
    static ORDINARY: OnceLock<String> = OnceLock::new();
    ORDINARY.get_or_init(|| {
        let more = format!("{UNNAMED_PROGRAMS} {NOBODYS_MEMORY}");
        filter(&[UNIX, INET, INET6], &more).to_string()
    })
}

fn filter(families: &[u64], more: &str) -> Value {
    let groups = [INPUT_OUTPUT, FILES, MEMORY, PROCESSES, REST, SOCKETS, more];
    let names: Vec<&str> = groups.iter().flat_map(|group| group.split_whitespace()).collect();
    let mut rules = vec![
        json!({ "names": names, "action": "SCMP_ACT_ALLOW" }),
        when(&["clone"], 0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES, 0),
        // Its flags are behind a pointer, where no filter sees them; the C library falls back to `clone` for this answer.
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }),
        // One's own limits and priorities, never another's: limits of zero kill a supervisor of the same user.
        when(
            &[
                "prlimit64",
                "sched_setaffinity",
                "sched_setattr",
                "sched_setparam",
                "sched_setscheduler",
            ],
            0,
            "SCMP_CMP_EQ",
            0,
            0,
        ),
        when(&["setpriority", "ioprio_set"], 1, "SCMP_CMP_EQ", 0, 0),
    ];
    rules.extend(
        families
            .iter()
            .map(|family| when(&["socket", "socketpair"], 0, "SCMP_CMP_EQ", *family, 0)),
    );
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "archMap": [
            { "architecture": "SCMP_ARCH_X86_64", "subArchitectures": [] },
            { "architecture": "SCMP_ARCH_AARCH64", "subArchitectures": [] },
            { "architecture": "SCMP_ARCH_RISCV64", "subArchitectures": [] },
        ],
        "syscalls": rules,
    })
}

fn when(names: &[&str], argument: u8, operation: &str, value: u64, second: u64) -> Value {
    json!({
        "names": names,
        "action": "SCMP_ACT_ALLOW",
        "args": [{ "index": argument, "value": value, "valueTwo": second, "op": operation }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_no_process_s_is_for_containers_without_a_supervisor_only() {
        let boxes = [Syscalls::Standard, Syscalls::Strict].map(|syscalls| profile(syscalls).unwrap());
        for call in ["memfd_create", "shmget"] {
            let name = format!("\"{call}\"");
            assert!(of_no_box().contains(&name), "{call}");
            assert!(boxes.iter().all(|filter| !filter.contains(&name)), "{call}");
        }
    }
}
