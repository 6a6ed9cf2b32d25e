//! Pulling: progress line by line, and the error line that comes with a 200.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use serde_json::{Value, json};

use super::{FakeModel, Ollama, inventory, name::Name, routes::object};
use crate::{
    reply::{Call, Piece, Refusal, Reply, paced, pause},
    vectors,
};

/// What every stream of progress or tokens is sent as.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// What the registry says of a model that it does not have.
const UNKNOWN: &str = "pull model manifest: file does not exist";

/// The lines of progress per layer after the first, which carries no count.
const STEPS: u64 = 4;

impl Ollama {
    pub(super) async fn pull(self: &Arc<Self>, call: &Call) -> Result<Reply, Refusal> {
        let fields = inventory::native(call, "api.PullRequest")?;
        let asked = inventory::named(&fields)?;
        let Some(name) = Name::parse(asked) else {
            return Err(Refusal::bad("invalid model name"));
        };
        let offered = self.pullable.iter().find(|model| model.is_called(asked)).cloned();
        let known = offered.or_else(|| self.find(asked));
        let steps: Vec<Step> = match &known {
            Some(model) => steps(&FakeModel {
                name: name.short(),
                ..model.clone()
            }),
            None => vec![Step::Status("pulling manifest"), Step::Unknown],
        };

        let delay = self.settings.progress_delay;
        let stream = fields.flag("stream")?.unwrap_or(true);
        let installs = Arc::clone(self);
        let mut carry_out = move |step: &Step| match step {
            Step::Install(model) => installs.install(FakeModel {
                modified: SystemTime::now(),
                ..model.clone()
            }),
            Step::Status(_) | Step::Layer { .. } | Step::Unknown => {}
        };
        if !stream {
            pause(delay * u32::try_from(steps.len()).unwrap_or(u32::MAX)).await;
            steps.iter().for_each(&mut carry_out);
            return match known {
                Some(_) => Ok(object(StatusCode::OK, &json!({"status": "success"}))),
                None => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, UNKNOWN)),
            };
        }
        let timed = steps
            .into_iter()
            .enumerate()
            .map(|(i, step)| (if i == 0 { Duration::ZERO } else { delay }, step));
        let render = move |step: Step| {
            carry_out(&step);
            // Progress counts as tokens, so that faults can strike in the middle of a pull.
            vec![Piece::token(format!("{}\n", step.line()))]
        };
        let broken = format!("{}\n", json!({"error": "max retries exceeded: unexpected EOF"}));
        Ok(Reply::stream(NDJSON, paced(timed.collect(), render, ()), broken))
    }
}

/// One line of progress, and what happens with it.
#[derive(Debug)]
enum Step {
    Status(&'static str),
    Layer {
        digest: String,
        total: u64,
        completed: Option<u64>,
    },
    Install(FakeModel),
    Unknown,
}

impl Step {
    fn line(&self) -> Value {
        match self {
            Self::Status(status) => json!({ "status": status }),
            Self::Layer {
                digest,
                total,
                completed,
            } => {
                let status = format!("pulling {}", &digest[..12]);
                let mut line =
                    json!({"status": status, "digest": format!("sha256:{digest}"), "total": total});
                if let Some(completed) = completed {
                    line["completed"] = json!(completed);
                }
                line
            }
            Self::Install(_) => json!({"status": "success"}),
            Self::Unknown => json!({ "error": UNKNOWN }),
        }
    }
}

fn steps(model: &FakeModel) -> Vec<Step> {
    let layers = [
        (model.digest.clone(), model.size),
        (vectors::digest(&format!("template of {}", model.digest)), 1482),
    ];
    let mut steps = vec![Step::Status("pulling manifest")];
    for (digest, total) in layers {
        steps.push(Step::Layer {
            digest: digest.clone(),
            total,
            completed: None,
        });
        for step in 1..=STEPS {
            steps.push(Step::Layer {
                digest: digest.clone(),
                total,
                completed: Some(total / STEPS * step),
            });
        }
        if let Some(Step::Layer { completed, .. }) = steps.last_mut() {
            *completed = Some(total);
        }
    }
    steps.push(Step::Status("verifying sha256 digest"));
    steps.push(Step::Status("writing manifest"));
    steps.push(Step::Install(model.clone()));
    steps
}
