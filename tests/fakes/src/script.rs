//! What a fake model says and how fast: the same for every dialect.

use std::time::Duration;

use serde_json::Value;

/// A little over 8 MB: more than the line buffer of the official Ollama client.
const HUGE: usize = 8 * 1024 * 1024 + 1;

/// What is said to every prompt.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) tokens: Vec<String>,
    pub(crate) signature: Option<String>,
    pub(crate) tool_call: Option<(String, Value)>,
    pub(crate) first_token_delay: Duration,
    pub(crate) token_delay: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            tokens: ["The", " sky", " is", " blue", "."].map(str::to_owned).into(),
            signature: None,
            tool_call: None,
            first_token_delay: Duration::ZERO,
            token_delay: Duration::ZERO,
        }
    }
}

/// What a prompt asks of the script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cue {
    /// At most this many tokens.
    pub(crate) limit: Option<usize>,
    pub(crate) think: bool,
    /// Tools are offered.
    pub(crate) tools: bool,
    /// The answer has to be JSON.
    pub(crate) json: bool,
    /// The first token is a little over 8 MB long.
    pub(crate) huge: bool,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Thought(String),
    Word(String),
    ToolCall { name: String, arguments: Value },
    End(End),
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) tokens: usize,
    pub(crate) cut_short: bool,
    pub(crate) called_tool: bool,
}

impl Script {
    /// The answer, part by part, each with the pause before it. The last part, and no other, is the end.
    pub(crate) fn perform(&self, cue: &Cue) -> Vec<(Duration, Said)> {
        let mut said = Vec::new();
        if cue.think {
            said.extend(["Let", " me", " think."].map(|text| Said::Thought(text.to_owned())));
        }
        let tool_call = self.tool_call.as_ref().filter(|_| cue.tools);
        match tool_call {
            Some((name, arguments)) => {
                said.push(Said::ToolCall {
                    name: name.clone(),
                    arguments: arguments.clone(),
                });
            }
            None => said.extend(self.words(cue).into_iter().map(Said::Word)),
        }
        let cut_short = cue.limit.is_some_and(|limit| limit < said.len());
        said.truncate(cue.limit.unwrap_or(usize::MAX));
        let end = End {
            tokens: said.len(),
            cut_short,
            called_tool: tool_call.is_some() && !cut_short,
        };

        let mut timed: Vec<_> = said.into_iter().map(|said| (self.token_delay, said)).collect();
        timed.push((Duration::ZERO, Said::End(end)));
        timed[0].0 = self.first_token_delay;
        timed
    }

    fn words(&self, cue: &Cue) -> Vec<String> {
        let mut words = match cue.json {
            true => ["{\"answer\"", ": ", "42", "}"].map(str::to_owned).into(),
            false => self
                .signature
                .iter()
                .chain(&self.tokens)
                .cloned()
                .collect::<Vec<_>>(),
        };
        if cue.huge {
            words.insert(0, "x".repeat(HUGE));
        }
        words
    }
}

/// The whole of an answer, for replies that are not streamed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) takes: Duration,
    pub(crate) thoughts: String,
    pub(crate) words: String,
    pub(crate) tool_call: Option<(String, Value)>,
    pub(crate) end: Option<End>,
}

/// Puts the parts together.
pub(crate) fn tell(parts: Vec<(Duration, Said)>) -> Told {
    let mut told = Told::default();
    for (after, said) in parts {
        told.takes += after;
        match said {
            Said::Thought(text) => told.thoughts += &text,
            Said::Word(text) => told.words += &text,
            Said::ToolCall { name, arguments } => told.tool_call = Some((name, arguments)),
            Said::End(end) => told.end = Some(end),
        }
    }
    told
}

/// How many tokens a text counts for: its words.
pub(crate) fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The builder methods that say what a fake's models say; a macro because every fake has them as its own.
macro_rules! script_methods {
    () => {
        /// The tokens of every answer, in order.
        pub fn tokens<T: Into<String>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
            self.script.tokens = tokens.into_iter().map(Into::into).collect();
            self
        }

        /// Begins every answer with `name`, as a token of its own, so that a test sees who answered.
        pub fn signed(mut self, name: impl Into<String>) -> Self {
            self.script.signature = Some(name.into());
            self
        }

        /// Answers with this call whenever a request offers tools.
        pub fn calling_tool(mut self, name: impl Into<String>, arguments: serde_json::Value) -> Self {
            self.script.tool_call = Some((name.into(), arguments));
            self
        }

        /// How long the first token takes, as long prompts do. Streamed or not, nothing is sent before it.
        pub fn first_token_delay(mut self, delay: std::time::Duration) -> Self {
            self.script.first_token_delay = delay;
            self
        }

        /// How long each further token takes.
        pub fn token_delay(mut self, delay: std::time::Duration) -> Self {
            self.script.token_delay = delay;
            self
        }

        /// Listens on `port`, where the default is one of the kernel's choosing.
        pub fn port(mut self, port: u16) -> Self {
            self.port = port;
            self
        }

        /// Serves `POST /__fault` and `GET /__requests`, for those who cannot call this handle.
        pub fn controlled_over_http(mut self) -> Self {
            self.control = true;
            self
        }
    };
}
pub(crate) use script_methods;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_tokens_and_an_end() {
        let parts = Script::default().perform(&Cue::default());
        let told = tell(parts);
        assert_eq!(told.words, "The sky is blue.");
        assert_eq!(
            told.end,
            Some(End {
                tokens: 5,
                cut_short: false,
                called_tool: false
            })
        );
    }

    #[test]
    fn a_limit_cuts_it_short() {
        let told = tell(Script::default().perform(&Cue {
            limit: Some(2),
            ..Cue::default()
        }));
        assert_eq!(told.words, "The sky");
        assert_eq!(
            told.end,
            Some(End {
                tokens: 2,
                cut_short: true,
                called_tool: false
            })
        );
    }

    #[test]
    fn an_answer_without_tokens_still_ends() {
        let silent = Script {
            tokens: Vec::new(),
            ..Script::default()
        };
        assert_eq!(silent.perform(&Cue::default()).len(), 1);
    }

    #[test]
    fn the_first_token_has_a_delay_of_its_own() {
        let slow = Script {
            first_token_delay: Duration::from_secs(3),
            token_delay: Duration::from_millis(1),
            ..Script::default()
        };
        assert_eq!(
            tell(slow.perform(&Cue::default())).takes,
            Duration::from_millis(3004)
        );
    }
}
