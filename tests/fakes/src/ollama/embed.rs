//! `/api/embed` and its predecessor `/api/embeddings`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    FakeModel, Ollama,
    inventory::native,
    name::Name,
    routes::object,
    turn::{Ask, context, keep_alive},
};
use crate::{
    fields::Fields,
    reply::{Call, Refusal, Reply},
    script::{Cue, count},
    stamp, vectors,
};

impl Ollama {
    pub(super) async fn embed(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = native(call, "api.EmbedRequest")?;
        let texts = inputs(&fields)?;
        let asked = fields.text("model")?;
        let model = self.embedder(asked)?;
        let dimensions = dimensions(&fields, &model)?;
        let tokens = texts.iter().map(|text| count(text)).sum();
        let load = self.read(&fields, &model, tokens).await?;
        let mut reply = json!({
            "model": asked,
            "embeddings": vectors_of(&texts, &model, dimensions),
            "total_duration": load + 1_000_000,
            "load_duration": load,
        });
        if tokens > 0 {
            reply["prompt_eval_count"] = tokens.into();
        }
        Ok(object(StatusCode::OK, &reply))
    }

    pub(super) async fn embeddings(&self, call: &Call) -> Result<Reply, Refusal> {
        let fields = native(call, "api.EmbeddingRequest")?;
        let model = self.embedder(fields.text("model")?)?;
        let prompt = fields.text("prompt")?;
        self.read(&fields, &model, count(prompt)).await?;
        let vector = if prompt.is_empty() {
            Vec::new()
        } else {
            vectors::embed(prompt, model.dimensions)
        };
        Ok(object(StatusCode::OK, &json!({ "embedding": vector })))
    }

    /// The model, or the refusal of these two routes, whose words and quotes differ from those of the others.
    pub(super) fn embedder(&self, asked: &str) -> Result<FakeModel, Refusal> {
        match self.find(asked) {
            Some(model) => Ok(model),
            None if asked.is_empty() => Err(Refusal::missing("model '' not found")),
            None if Name::parse(asked).is_none() => Err(Refusal::bad("invalid model name")),
            None => Err(Refusal::missing(format!(
                "model \"{asked}\" not found, try pulling it first"
            ))),
        }
    }

    /// Has the model in memory and says how long that took, in nanoseconds.
    pub(super) async fn read(
        &self,
        fields: &Fields,
        model: &FakeModel,
        tokens: usize,
    ) -> Result<u64, Refusal> {
        let ask = Ask {
            model: model.clone(),
            context: context(fields)?,
            keep_alive: keep_alive(fields)?,
            prompt_tokens: tokens,
            cue: Cue {
                limit: Some(0),
                ..Cue::default()
            },
        };
        let turn = self.turn(&ask).await?;
        Ok(stamp::nanos(turn.metrics.load))
    }
}

/// The texts of `input`; none if it is empty or absent.
pub(super) fn inputs(fields: &Fields) -> Result<Vec<String>, Refusal> {
    match fields.get("input") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(texts)) => {
            let texts = texts.iter().map(|text| text.as_str().map(str::to_owned));
            texts
                .collect::<Option<_>>()
                .ok_or_else(|| Refusal::bad("invalid input type"))
        }
        Some(_) => Err(Refusal::bad("invalid input type")),
    }
}

pub(super) fn dimensions(fields: &Fields, model: &FakeModel) -> Result<usize, Refusal> {
    let asked = fields
        .number("dimensions")?
        .and_then(|asked| usize::try_from(asked).ok())
        .filter(|asked| *asked > 0);
    Ok(asked.unwrap_or(model.dimensions).min(model.dimensions))
}

/// A vector for each text, cut to `dimensions` and made of length one again.
pub(super) fn vectors_of(texts: &[String], model: &FakeModel, dimensions: usize) -> Vec<Vec<f32>> {
    let vector = |text: &String| {
        let mut vector = vectors::embed(text, model.dimensions);
        vector.truncate(dimensions);
        vectors::normalise(&mut vector);
        vector
    };
    texts.iter().map(vector).collect()
}
