//! From parameters to a run: which box, under which limits, with what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_api::contract::requirement::Requirement;
use plugin_api::quantity::{Size, Span};
use plugin_api::{Context, Error};
use serde_json::value::RawValue;

use crate::files;
use crate::params::{Limits, Params};
use crate::profile::{Profile, Profiles, Table};
use crate::runner::{Collect, Control, Job};

/// Less time than this is no time at all.
const SHORTEST: Duration = Duration::from_millis(1);
/// How long a run's files are looked for.
const COLLECTING: f64 = 2.0;

/// A run that can be started.
#[derive(Debug)]
pub(crate) struct Plan {
    pub profile: Arc<Profile>,
    /// The profile's numbers, or tighter ones.
    pub table: Table,
    /// Whether the box itself has to be tighter than the profile's, and so is another one.
    pub own_box: bool,
    pub program: Program,
    pub args: Option<Box<RawValue>>,
    pub argv: Vec<String>,
    pub environment: BTreeMap<String, String>,
    pub files: Vec<(String, Vec<u8>)>,
    pub stdin: Vec<u8>,
    pub timeout: Duration,
    pub collect: bool,
    pub stream: bool,
    pub requirement: Requirement,
}

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    Code(String),
    File(String),
    /// Nothing yet: a session is opened.
    None,
}

impl Plan {
    /// Checks parameters against the profile they name.
    ///
    /// # Errors
    /// They do not fit, or would loosen a limit; the message says which.
    pub(crate) fn new(profiles: &Profiles, params: Params) -> Result<Self, Error> {
        let profile = profiles
            .find(params.level.as_deref(), params.profile.as_deref())?
            .clone();
        Self::with(profile, params)
    }

    /// The same for a profile that is known already.
    pub(crate) fn with(profile: Arc<Profile>, params: Params) -> Result<Self, Error> {
        let (limits, queue_timeout) = (params.limits(), params.queue_timeout()?);
        let mut table = profile.table.clone();
        let own_box = tighten(&mut table, &limits, params.timeout)?;
        for name in params.environment.keys() {
            if !profile.allow_environment.contains(name) {
                let allowed: Vec<_> = profile.allow_environment.iter().map(String::as_str).collect();
                let hint = match allowed.as_slice() {
                    [] => "it allows none; use `args`".to_owned(),
                    allowed => format!("it allows {}", allowed.join(", ")),
                };
                let message = format!("the profile `{}` lets no request set `{name}`", profile.name);
                return Err(Error::invalid(message).hint(hint));
            }
        }
        if params
            .args
            .as_ref()
            .is_some_and(|args| !args.get().starts_with('{'))
        {
            return Err(Error::invalid(
                "`args` is an object: names of variables and their values",
            ));
        }
        let files = files::decoded(params.files)?;
        let stdin = params
            .stdin
            .map(|stdin| stdin.bytes("`stdin`"))
            .transpose()?
            .unwrap_or_default();
        let program = match (params.code, params.file) {
            (Some(_), Some(_)) => return Err(Error::invalid("give either `code` or `file`, not both")),
            (Some(code), None) => Program::Code(code),
            (None, Some(file)) => {
                files::check(&file)?;
                Program::File(file)
            }
            (None, None) => Program::None,
        };
        let plan = Plan {
            requirement: Requirement {
                role: Some(profile.level.name().to_owned()),
                priority: params.priority.unwrap_or_default(),
                queue_timeout,
                max_uses: Some(table.uses),
                ..Requirement::default()
            },
            timeout: table.timeout.0,
            own_box,
            program,
            args: params.args,
            argv: params.argv,
            environment: params.environment,
            files,
            stdin,
            collect: params.collect.unwrap_or(true),
            stream: false,
            profile,
            table,
        };
        plan.check_size()?;
        Ok(plan)
    }

    fn check_size(&self) -> Result<(), Error> {
        let code = match &self.program {
            Program::Code(code) => code.len(),
            Program::File(_) | Program::None => 0,
        };
        let files: usize = self
            .files
            .iter()
            .map(|(name, contents)| name.len() + contents.len())
            .sum();
        let args = self.args.as_ref().map_or(0, |args| args.get().len());
        let argv: usize = self.argv.iter().map(String::len).sum();
        let size = (code + files + args + argv + self.stdin.len()) as u64;
        if size <= self.table.input {
            return Ok(());
        }
        let message = format!(
            "code, files, arguments and standard input are {}; `{}` takes {}",
            Size(size),
            self.profile.name,
            Size(self.table.input)
        );
        Err(Error::new(
            plugin_api::ErrorCode::TOO_LARGE,
            plugin_api::Fault::Client,
            message,
        )
        .detail("limit", self.table.input))
    }

    /// Says that there has to be a program.
    pub(crate) fn with_program(self) -> Result<Self, Error> {
        match &self.program {
            Program::None => Err(Error::invalid("`code` is required, or `file` with `files`")),
            Program::File(file) if !self.files.iter().any(|(name, _)| name == file) => Err(Error::invalid(
                format!("`file` names {file:?}, which is none of `files`"),
            )),
            _ => Ok(self),
        }
    }

    /// The requirement to lease a box by.
    pub(crate) fn requirement(&self) -> Requirement {
        let specification = if self.own_box {
            self.profile.specification_of(&self.table)
        } else {
            self.profile.specification.clone()
        };
        Requirement {
            specification: Some(specification),
            ..self.requirement.clone()
        }
    }

    /// How long the code may take: no longer than its caller waits.
    pub(crate) fn time(&self, context: &Context) -> Duration {
        let left = context.remaining().unwrap_or(self.timeout);
        self.timeout.min(left).max(SHORTEST)
    }

    /// What supervisor and interpreter are told.
    pub(crate) fn messages<'a>(&'a self, kind: &'a str, time: Duration) -> (Control<'a>, Job<'a>) {
        let table = &self.table;
        // Any moment will do that no file is changed at by chance.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let stamp = now.saturating_sub(1_000_000_000);
        let collect = self.collect && table.files > 0 && matches!(kind, "once" | "run");
        let cpu_seconds = table
            .cpu_time
            .map(|time| time.0.as_secs_f64().ceil().clamp(1.0, f64::from(u32::MAX)) as u64);
        let control = Control {
            kind,
            timeout: time.as_secs_f64(),
            output_bytes: table.output,
            output: table.on_output,
            drain_bytes: table.output.saturating_mul(64),
            result_bytes: table.result,
            images: table.images,
            image_bytes: table.files_size,
            collect: collect.then_some(Collect {
                files: table.files,
                bytes: table.files_size,
                seconds: COLLECTING,
                stamp,
                changed: kind == "run",
            }),
            stream: self.stream,
            cpu_seconds,
        };
        let (code, file) = match &self.program {
            Program::Code(code) => (Some(code.as_str()), None),
            Program::File(file) => (None, Some(file.as_str())),
            Program::None => (None, None),
        };
        let job = Job {
            kind,
            code,
            file,
            name: file.unwrap_or("main.py"),
            args: self.args.as_deref(),
            argv: &self.argv,
            environment: &self.environment,
            stamp,
            result_bytes: table.result,
            images: table.images,
            file_bytes: (table.file < self.profile.table.file).then_some(table.file),
            cpu_seconds,
        };
        (control, job)
    }
}

/// Applies a request's limits. True if the box itself has to be another one.
///
/// # Errors
/// A limit is looser than what it limits.
fn tighten(table: &mut Table, limits: &Limits, timeout: Option<Span>) -> Result<bool, Error> {
    let before = (table.memory, table.cpus, table.processes);
    size(&mut table.memory, limits.memory, "memory")?;
    if let Some(asked) = limits.memory
        && asked.0 < table.scratch + table.shared_memory + (64 << 20)
    {
        // The scratch counts as memory: a smaller box has a smaller one.
        table.scratch = (asked.0 / 4).min(table.scratch);
        table.shared_memory = (asked.0 / 16).min(table.shared_memory);
        if asked.0 < 64 << 20 {
            return Err(Error::invalid(
                "`memory` is less than the interpreter needs: 64 MiB",
            ));
        }
    }
    if let Some(asked) = limits.cpus {
        if !(asked > 0.0 && asked <= table.cpus) {
            return Err(loose("cpus", asked, table.cpus));
        }
        table.cpus = asked;
    }
    number(&mut table.processes, limits.processes, "processes")?;
    if table.processes < 4 {
        return Err(Error::invalid("`processes` is less than the runner needs: 4"));
    }
    number(&mut table.files, limits.files, "files")?;
    number(&mut table.images, limits.images, "images")?;
    size(&mut table.output, limits.output_bytes, "output_bytes")?;
    size(&mut table.result, limits.result_bytes, "result_bytes")?;
    size(&mut table.file, limits.file_bytes, "file_bytes")?;
    size(&mut table.files_size, limits.files_bytes, "files_bytes")?;
    if let Some(asked) = timeout {
        if asked > table.timeout || asked.0.is_zero() {
            let (asked, most) = (asked.0.as_secs_f64(), table.timeout.0.as_secs_f64());
            return Err(loose("timeout", asked, most));
        }
        table.timeout = asked;
    }
    if let Some(asked) = limits.cpu_time {
        if table.cpu_time.is_some_and(|most| asked > most) {
            let most = table.cpu_time.map_or(0.0, |most| most.0.as_secs_f64());
            return Err(loose("cpu_time", asked.0.as_secs_f64(), most));
        }
        table.cpu_time = Some(asked);
    }
    Ok(before != (table.memory, table.cpus, table.processes))
}

fn size(limit: &mut u64, asked: Option<Size>, what: &str) -> Result<(), Error> {
    match asked {
        Some(Size(asked)) if asked > *limit => Err(loose(what, asked, *limit)),
        Some(Size(asked)) => {
            *limit = asked;
            Ok(())
        }
        None => Ok(()),
    }
}

fn number(limit: &mut u32, asked: Option<u32>, what: &str) -> Result<(), Error> {
    match asked {
        Some(asked) if asked > *limit => Err(loose(what, asked, *limit)),
        Some(asked) => {
            *limit = asked;
            Ok(())
        }
        None => Ok(()),
    }
}

fn loose(
    what: &str,
    asked: impl std::fmt::Display + Into<serde_json::Value>,
    limit: impl std::fmt::Display + Into<serde_json::Value>,
) -> Error {
    Error::invalid(format!("`{what}` of {asked} is not within the limit of {limit}"))
        .hint("a request may only ask for less; the operator sets the limits")
        .detail("limit", limit)
}
