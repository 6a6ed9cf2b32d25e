//! What is refused, and why.

use std::collections::BTreeMap;

use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refused whatever the arguments. Numbers that our C library does not name yet are the same everywhere.
const ALWAYS: &[i64] = &[
    // Other processes' memory and threads.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    424, // pidfd_send_signal
    434, // pidfd_open
    438, // pidfd_getfd
    440, // process_madvise
    448, // process_mrelease
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Namespaces, mounts and roots.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    428, // open_tree
    429, // move_mount
    430, // fsopen
    431, // fsconfig
    432, // fsmount
    433, // fspick
    442, // mount_setattr
    457, // statmount
    458, // listmount
    467, // open_tree_attr
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    443, // quotactl_fd
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // Large and young parts of the kernel that ordinary programs do without.
    425, // io_uring_setup
    426, // io_uring_enter
    427, // io_uring_register
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    447, // memfd_secret
    // Memory that is no process's: whoever fills it stays small, and when memory runs out the supervisor is ended in its
    // place. It would also be a place from which programs can be run.
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    // Notes on files that are shown nowhere: those on a directory that lasts would outlive whoever wrote them.
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    463, // setxattrat
    libc::SYS_vmsplice,
    // The machine itself.
    libc::SYS_kexec_load,
    #[cfg(not(target_arch = "riscv64"))]
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    // Another kernel's manners, among them memory at predictable places.
    libc::SYS_personality,
    // Where memory lies on machines with several kinds of it.
    libc::SYS_mbind,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    450, // set_mempolicy_home_node
];

/// Of this architecture alone.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &[i64] = &[
    libc::SYS_modify_ldt,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: &[i64] = &[];

/// What an interpreter can do without: programs without a name, and networks.
const STRICT: &[i64] = &[libc::SYS_execveat];

const UNIX: i32 = libc::AF_UNIX;
const INET: [i32; 2] = [libc::AF_INET, libc::AF_INET6];

/// The calls that are refused, each with the arguments that make it so; none is whatever the arguments.
pub(super) fn rules(strict: bool) -> Result<Rules, BackendError> {
    let more: &[i64] = if strict { STRICT } else { &[] };
    let always = [ALWAYS, ARCHITECTURE, more].concat();
    let mut rules: Rules = always.into_iter().map(|call| (call, Vec::new())).collect();
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, sockets(strict)?);
    }
    rules.insert(libc::SYS_clone, clone()?);
    // Another process's limits and place in the queue: its supervisor's, where both are one user.
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        rules.insert(call, vec![all([not(0, 0)?])?]);
    }
    rules.insert(
        libc::SYS_setpriority,
        vec![all([not(0, 0)?])?, all([not(1, 0)?])?],
    );
    rules.insert(libc::SYS_ioprio_set, vec![all([not(0, 1)?])?, all([not(1, 0)?])?]);
    // Outliving the outer part.
    let death_signal = all([is(0, libc::PR_SET_PDEATHSIG)?, not(1, libc::SIGKILL)?])?;
    rules.insert(libc::SYS_prctl, vec![death_signal]);
    // Typing on somebody's terminal.
    let typing = [0x5412, 0x541C, 0x5423]; // TIOCSTI, TIOCLINUX, TIOCSETD
    let typing = typing.map(|request| all([is(1, request)?]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Result<_, _>>()?);
    Ok(rules)
}

/// Families of sockets that are none of the ordinary ones, and protocols that are neither TCP nor UDP.
fn sockets(strict: bool) -> Result<Vec<SeccompRule>, BackendError> {
    if strict {
        return Ok(vec![all([not(0, UNIX)?])?]);
    }
    let [four, six] = INET;
    let mut rules = vec![all([not(0, UNIX)?, not(0, four)?, not(0, six)?])?];
    for family in INET {
        let of_family = is(0, family)?;
        let (tcp, udp) = (not(2, libc::IPPROTO_TCP)?, not(2, libc::IPPROTO_UDP)?);
        rules.push(all([of_family, not(2, 0)?, tcp, udp])?);
    }
    Ok(rules)
}

/// A new process is welcome, a new namespace is not.
fn clone() -> Result<Vec<SeccompRule>, BackendError> {
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
    ];
    let rules = flags.map(|flag| {
        let flag = u64::from(flag.unsigned_abs());
        let has = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)?;
        all([has])
    });
    rules.into_iter().collect()
}

fn is(argument: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    compare(argument, SeccompCmpOp::Eq, value)
}

fn not(argument: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    compare(argument, SeccompCmpOp::Ne, value)
}

/// The kernel looks at the lower half of these arguments only, and so do we.
fn compare(argument: u8, how: SeccompCmpOp, value: i32) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        how,
        u64::from(value.cast_unsigned()),
    )
}

fn all<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}
