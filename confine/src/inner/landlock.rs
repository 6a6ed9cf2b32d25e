//! A second belt around the file system, where the kernel has it (Landlock): even a mount that should not be there
//! could not be written.

use ::landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};
use plugin_api::contract::workload::Workload;

use crate::refusal::While;
use crate::{CONTROL_DIRECTORY, Refusal};

/// The newest version we know; an older kernel does what it can.
const NEWEST: ABI = ABI::V6;

/// Restricts this process and all that come of it: read everywhere, write only what the workload names.
pub(super) fn restrict(workload: &Workload) -> Result<(), Refusal> {
    let all = AccessFs::from_all(NEWEST);
    let read = AccessFs::from_read(NEWEST);
    let write = all & !BitFlags::from(AccessFs::Execute);
    let write_file = AccessFs::WriteFile | AccessFs::Truncate;
    let socket = AccessFs::MakeSock | AccessFs::RemoveFile;
    let places = [
        ("/", read),
        ("/dev", write_file),
        ("/dev/shm", write),
        ("/proc", write_file),
        (CONTROL_DIRECTORY, socket),
    ];
    let scratch = workload
        .scratch
        .iter()
        .map(|scratch| (scratch.path.as_str(), write));
    restricted(places.into_iter().chain(scratch))
        .map(drop)
        .during("the second belt around the file system")
}

fn restricted<'a>(
    places: impl Iterator<Item = (&'a str, BitFlags<AccessFs>)>,
) -> Result<LandlockStatus, Box<dyn std::error::Error>> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    for (path, access) in places {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, access))?;
    }
    Ok(rules.restrict_self()?.landlock)
}

/// The version that the kernel has; 0 where there is none. It can be seen only by restricting this process.
pub(crate) fn version() -> i32 {
    match restricted(std::iter::empty()) {
        Ok(LandlockStatus::Available {
            effective_abi,
            kernel_abi,
        }) => kernel_abi
            .or_else(|| (1..64).find(|version| ABI::from(*version) == effective_abi))
            .unwrap_or(1),
        _ => 0,
    }
}
