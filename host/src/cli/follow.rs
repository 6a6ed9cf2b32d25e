//! `gleitzeit events`: what happens, as it happens.

use futures_util::StreamExt;
use serde_json::Value;

use super::client::Client;
use super::table::{Tone, one_line};
use super::{Exit, Failure, Global, Terminal};

/// Arguments of `events`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this kind, such as status_changed; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Only of this hub; may be repeated
    #[arg(long = "hub", value_name = "NAME")]
    hubs: Vec<String>,
    /// Go on after the event of this id, as far as the host still has what came after
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
}

pub(super) async fn run(args: Args, global: &Global, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let named = |name: &'static str, values: &[String]| {
        values
            .iter()
            .map(move |value| (name, value.clone()))
            .collect::<Vec<_>>()
    };
    query.extend_pairs(named("kind", &args.kinds));
    query.extend_pairs(named("hub", &args.hubs));
    if let Some(after) = &args.after {
        query.append_pair("after", after);
    }
    let mut events = Client::new(global)?.follow(&query.finish()).await?;
    let (mut shown, mut last) = (0, None);
    while args.count.is_none_or(|count| shown < count) {
        let Some(event) = events.next().await else {
            let failure = Failure::new(Exit::Unreachable, "the host has stopped");
            return Err(match last {
                Some(last) => failure.hint(format!(
                    "go on with --after {last} where it was only the connection"
                )),
                None => failure,
            });
        };
        let event = event?;
        if let Some(id) = event["id"].as_str() {
            last = Some(id.to_owned());
        }
        show(&event, terminal);
        shown += 1;
    }
    Ok(Exit::Ok)
}

fn show(event: &Value, terminal: &mut Terminal) {
    if terminal.json {
        terminal.value(event);
        return;
    }
    let text = |value: &Value| one_line(value.as_str().unwrap_or_default());
    if event.get("kind").is_none() {
        let lost = event["lost"]
            .as_u64()
            .map_or("some".to_owned(), |lost| lost.to_string());
        let line = terminal.paint(&format!("lost: {lost} events are not kept any more"), Tone::Bad);
        terminal.line(line);
        return;
    }
    let place = match (text(&event["hub"]), text(&event["instance"])) {
        (hub, instance) if instance.is_empty() => hub,
        (hub, instance) => format!("{hub}/{instance}"),
    };
    let data = event["data"].as_object().into_iter().flatten();
    let data: Vec<String> = data
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={}", one_line(text)),
            other => format!("{name}={other}"),
        })
        .collect();
    let parts = [text(&event["at"]), text(&event["kind"]), place, data.join(" ")];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let line = terminal.paint(&parts.join("  "), tone(&text(&event["kind"])));
    terminal.line(line);
}

fn tone(kind: &str) -> Tone {
    match kind {
        "circuit_opened" | "recovery_failed" | "allocation_lost" | "allocation_failed" => Tone::Bad,
        "circuit_closed" | "instance_recovered" => Tone::Good,
        _ => Tone::Plain,
    }
}
