//! Blots secrets out of a text before any of it is shown.
//!
//! A mistake in the file is shown with the lines around it, and a key written in clear by mistake must not
//! travel from there into a terminal's scrollback or a log. This works on the text, not on the parsed file, so
//! that it holds for files that do not parse.

/// The same text, byte for byte as long, with the values of keys that sound like secrets blotted out, as well as
/// everything quoted in `[secrets]` that is no file and no variable, and passwords in URLs.
pub(super) fn blot_out_secrets(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut in_secrets = false;
    let mut position = 0;
    while position < bytes.len() {
        match bytes[position] {
            b'[' if at_line_start(&bytes, position) => {
                let header: &[u8] = bytes[position..]
                    .split(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or(&[]);
                in_secrets = header.trim_ascii_end().starts_with(b"[secrets");
                position += header.len().max(1);
            }
            b'#' => position += line_length(&bytes[position..]),
            quote @ (b'"' | b'\'') => {
                let (start, end, next) = quoted(&bytes, position, quote);
                let key = key_before(&bytes, position);
                if names_secret(&key, in_secrets) {
                    blot(&mut bytes[start..end]);
                } else {
                    blot_userinfo(&mut bytes[start..end]);
                }
                position = next;
            }
            b'=' => {
                let key = key_before(&bytes, position + 1);
                let unquoted = bytes.get(position + 1).is_some_and(u8::is_ascii_alphanumeric);
                let length = word_length(&bytes[position + 1..]);
                let secret = names_secret(&key, in_secrets);
                if names_secret(&key, false) {
                    position = blot_brackets(&mut bytes, position + 1);
                }
                // Not TOML, but what a flag or a variable looks like: `key=value` without quotes.
                if unquoted && secret {
                    blot(&mut bytes[position + 1..position + 1 + length]);
                } else if unquoted {
                    blot_userinfo(&mut bytes[position + 1..position + 1 + length]);
                }
                position += 1;
            }
            _ => position += 1,
        }
    }
    // Whole stretches between ASCII delimiters become ASCII, so the text stays UTF-8.
    String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len()))
}

/// Whether a key of this name holds a secret itself, rather than saying where one is.
pub(super) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    if is_reference(&key) || key == "keys" || key == "secrets" {
        return false;
    }
    let words = [
        "key",
        "token",
        "secret",
        "password",
        "passwd",
        "passphrase",
        "apikey",
        "authorization",
        "bearer",
    ];
    key.split('_').any(|part| words.contains(&part)) && !key.starts_with("max_") && !key.ends_with("_tokens")
}

/// Whether a dotted key, or a variable's name, leads to a secret itself.
fn names_secret(key: &str, in_secrets: bool) -> bool {
    let key = key.to_ascii_lowercase().replace("__", ".");
    let (tables, last) = key.rsplit_once('.').unwrap_or(("", &key));
    let in_secrets = in_secrets
        || tables
            .split('.')
            .any(|table| matches!(table, "secrets" | "gleitzeit_secrets"));
    sounds_secret(last) || (in_secrets && !last.is_empty() && !is_reference(last))
}

fn is_reference(key: &str) -> bool {
    let last = key.rsplit('_').next().unwrap_or(key);
    matches!(last, "file" | "env" | "path" | "name" | "variable" | "id")
}

fn at_line_start(bytes: &[u8], position: usize) -> bool {
    bytes[..position]
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .all(|byte| byte.is_ascii_whitespace())
}

fn line_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte != b'\n').count().max(1)
}

fn word_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| !byte.is_ascii_whitespace())
        .count()
}

/// Where a string's contents begin and end, and where to go on. A string without an end is taken to end with
/// its line, or with the text if it was to have several.
fn quoted(bytes: &[u8], position: usize, quote: u8) -> (usize, usize, usize) {
    let triple = bytes[position..].starts_with(&[quote; 3]);
    let start = position + if triple { 3 } else { 1 };
    let mut end = start;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' if quote == b'"' => end += 2,
            b'\n' if !triple => break,
            _ if triple && bytes[end..].starts_with(&[quote; 3]) => return (start, end, end + 3),
            byte if !triple && byte == quote => return (start, end, end + 1),
            _ => end += 1,
        }
    }
    let end = end.min(bytes.len());
    (start, end, end.max(position + 1))
}

/// The dotted key whose value begins here: what stands before the `=` (or `:`) before it.
fn key_before(bytes: &[u8], position: usize) -> String {
    let before = bytes[..position].trim_ascii_end();
    let Some(before) = before.strip_suffix(b"=").or_else(|| before.strip_suffix(b":")) else {
        return String::new();
    };
    let before = before.trim_ascii_end();
    let before = before
        .strip_suffix(b"\"")
        .or_else(|| before.strip_suffix(b"'"))
        .unwrap_or(before);
    let word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = before.iter().rev().take_while(word).count();
    String::from_utf8_lossy(&before[before.len() - length..]).into_owned()
}

/// Blots out a list or table that begins at or after a position, and returns where it ends.
fn blot_brackets(bytes: &mut [u8], position: usize) -> usize {
    let start = position + bytes[position..].iter().take_while(|byte| **byte == b' ').count();
    if !matches!(bytes.get(start), Some(b'[' | b'{')) {
        return position - 1;
    }
    let mut depth = 0;
    let mut end = start;
    while end < bytes.len() {
        match bytes[end] {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            quote @ (b'"' | b'\'') => {
                end = quoted(bytes, end, quote).2;
                continue;
            }
            _ => {}
        }
        end += 1;
        if depth == 0 {
            break;
        }
    }
    blot(&mut bytes[start..end]);
    end - 1
}

/// `http://user:password@host`: everything between `//` and `@`.
fn blot_userinfo(bytes: &mut [u8]) {
    let Some(scheme) = bytes.windows(3).position(|window| window == b"://") else {
        return;
    };
    let start = scheme + 3;
    let authority = bytes[start..].iter().take_while(|byte| **byte != b'/').count();
    if let Some(at) = bytes[start..start + authority]
        .iter()
        .rposition(|byte| *byte == b'@')
    {
        blot(&mut bytes[start..start + at]);
    }
}

fn blot(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b'*';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::blot_out_secrets;

    #[test]
    fn a_key_in_clear_is_blotted_out_and_its_neighbours_are_not() {
        let text = "[[host.keys]]\nname = \"bob\"\nkey = \"sk-123\" # his\n";
        assert_eq!(
            blot_out_secrets(text),
            "[[host.keys]]\nname = \"bob\"\nkey = \"******\" # his\n"
        );
    }

    #[test]
    fn where_a_key_comes_from_is_no_secret() {
        let text = "key_file = \"keys/bob\"\nkey_env = \"BOB\"\n[secrets]\nx = { env = \"X\" }\n";
        assert_eq!(blot_out_secrets(text), text);
    }

    #[test]
    fn everything_else_in_the_table_of_secrets_is_one() {
        assert_eq!(
            blot_out_secrets("[secrets]\nopen = 'abc'\n"),
            "[secrets]\nopen = '***'\n"
        );
    }

    #[test]
    fn a_string_without_an_end_is_blotted_out_to_the_end_of_its_line() {
        assert_eq!(
            blot_out_secrets("token = \"abc\nnext = 1\n"),
            "token = \"***\nnext = 1\n"
        );
    }

    #[test]
    fn lists_of_secrets_are_blotted_out_whole() {
        assert_eq!(
            blot_out_secrets("tokens = 3\ntoken = [ 'a', 'b]' ] # x"),
            "tokens = 3\ntoken = ************* # x"
        );
    }

    #[test]
    fn passwords_in_urls_are_blotted_out() {
        assert_eq!(
            blot_out_secrets("url = \"http://me:pass@gpu1:11434/v1\""),
            "url = \"http://*******@gpu1:11434/v1\""
        );
    }

    #[test]
    fn flags_without_quotes_are_read_too() {
        assert_eq!(
            blot_out_secrets("--set hubs.x.config.api_key=abc"),
            "--set hubs.x.config.api_key=***"
        );
    }

    #[test]
    fn several_lines_and_letters_beyond_ascii_keep_their_length() {
        let text = "password = \"\"\"\nä\nb\"\"\"\nurl = 'ü'";
        let blotted = blot_out_secrets(text);
        assert_eq!(blotted, "password = \"\"\"\n**\n*\"\"\"\nurl = 'ü'");
        assert_eq!(blotted.len(), text.len());
    }
}
