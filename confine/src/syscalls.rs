//! The filter on system calls.
//!
//! A list of what is refused, not of what is allowed: such lists break with every new C library, and people then add
//! numbers until it runs. What is refused answers `EPERM`; what this list does not know because it is newer than it, and
//! the calls of other architectures that come under strange numbers, answer `ENOSYS`, as on an old kernel, so that
//! libraries fall back to what is looked at here.

mod denied;

use std::collections::BTreeMap;

use plugin_api::contract::workload::{Isolation, Syscalls};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter, sock_filter};

use crate::refusal::While;
use crate::{Belt, Confinement, Refusal};

const WHAT: &str = "the filter on system calls";

/// The newest call that this list has an opinion on.
const NEWEST: u32 = 469;

/// Its flags are in memory, where a filter cannot look.
const CLONE3: u32 = 435;

/// Programs for the kernel, ready to be applied.
pub(crate) struct Filter(Vec<BpfProgram>);

impl Filter {
    /// Applies it to this process for good. Nothing that is refused can be called from here on.
    pub(crate) fn apply(&self) -> Result<(), Refusal> {
        self.0
            .iter()
            .try_for_each(|program| apply_filter(program).during(WHAT))
            .map_err(|refusal| refusal.mend("the kernel needs CONFIG_SECCOMP_FILTER"))
    }
}

/// The filter of a workload.
pub(crate) fn compile(confinement: &Confinement) -> Result<Filter, Refusal> {
    if confinement.workload.isolation == Isolation::None {
        return Ok(Filter(Vec::new()));
    }
    let strict = confinement.workload.syscalls == Syscalls::Strict;
    let mut rules = denied::rules(strict).during(WHAT)?;
    if confinement.belts.contains(&Belt::Processors) {
        rules.insert(libc::SYS_sched_setaffinity, Vec::new());
    }
    let known = known(rules).map_err(|error| {
        Refusal::new(WHAT, error).mend("run it on x86_64, aarch64 or riscv64, or run code in containers")
    })?;
    Ok(Filter(vec![known, unknown()]))
}

/// What is refused of what is known.
fn known(rules: BTreeMap<i64, Vec<SeccompRule>>) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

/// Everything newer does not exist, nor does a `clone` that cannot be looked at.
fn unknown() -> BpfProgram {
    const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let no_such_call = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    vec![
        step(LOAD, 0, 0, 0), // the call's number is the first thing in what a filter sees
        step(IF_EQUAL, 1, 0, CLONE3),
        step(IF_GREATER, 0, 1, NEWEST),
        step(RETURN, 0, 0, no_such_call.into()),
        step(RETURN, 0, 0, SeccompAction::Allow.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_compile_and_the_strict_one_refuses_more() {
        let [standard, strict] = [false, true].map(|strict| denied::rules(strict).unwrap());
        assert!(standard.keys().all(|call| strict.contains_key(call)));
        assert!(strict.len() > standard.len());
        for rules in [standard, strict] {
            assert!(known(rules).unwrap().len() < 4096, "the kernel takes no more");
        }
    }

    #[test]
    fn ordinary_calls_are_not_refused() {
        let rules = denied::rules(true).unwrap();
        for call in [
            libc::SYS_read,
            libc::SYS_futex,
            libc::SYS_execve,
            libc::SYS_mmap,
            libc::SYS_getrandom,
            libc::SYS_setresuid,
            libc::SYS_kill,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
    }
}
