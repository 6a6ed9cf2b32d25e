//! Files that come with a request: names that stay below the working directory, and do not contradict each other.

use std::collections::BTreeMap;

use plugin_api::Error;

use crate::params::Contents;

/// The files, decoded.
///
/// # Errors
/// A name leads elsewhere, two names cannot both exist, or something is not base64.
pub(crate) fn decoded(files: BTreeMap<String, Contents>) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut decoded: Vec<(String, Vec<u8>)> = Vec::with_capacity(files.len());
    for (name, contents) in files {
        check(&name)?;
        let contents = contents.bytes(&format!("the file `{name}`"))?;
        decoded.push((name, contents));
    }
    for (name, _) in &decoded {
        let mut end = 0;
        while let Some(slash) = name[end..].find('/') {
            end += slash;
            // Sorted, because they come from a map.
            if decoded
                .binary_search_by(|(other, _)| other.as_str().cmp(&name[..end]))
                .is_ok()
            {
                return Err(Error::invalid(format!(
                    "`{}` cannot be a file and a directory",
                    &name[..end]
                )));
            }
            end += 1;
        }
    }
    Ok(decoded)
}

/// # Errors
/// The name is not one of a file below the working directory.
pub(crate) fn check(name: &str) -> Result<(), Error> {
    let wrong = |why: &str| {
        let shown: String = name.chars().take(100).collect();
        Err(Error::invalid(format!("the file name {shown:?} {why}")))
    };
    if name.contains('\0') {
        return wrong("has a NUL in it");
    }
    if name.len() > 4096 || name.split('/').count() > 32 {
        return wrong("is too long");
    }
    if !is_below(name) {
        return wrong("is not a path below the working directory");
    }
    if name.split('/').any(|part| part.len() > 255) {
        return wrong("has a part of more than 255 bytes");
    }
    Ok(())
}

/// Whether a file of this name, whoever says it, is one below the directory it is put into.
pub(crate) fn is_below(name: &str) -> bool {
    !name.contains('\0') && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Result<usize, Error> {
        let file = |name: &&str| ((*name).to_owned(), Contents::Text(String::new()));
        decoded(names.iter().map(file).collect()).map(|files| files.len())
    }

    #[test]
    fn names_below_the_working_directory_are_taken() {
        assert_eq!(
            names(&["a.py", "data/b.csv", "data/c", ".hidden", "ü"]).unwrap(),
            5
        );
        assert_eq!(names(&["a", "a.b", "a-b/c"]).unwrap(), 3);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(40) + "y";
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../b",
            "a/./b",
            "a//b",
            "a/",
            "a\0b",
            &long,
            &deep,
            "..",
        ] {
            assert!(names(&[name]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_that_contradict_each_other_are_refused() {
        assert!(names(&["a", "a/b"]).is_err());
        assert!(names(&["a", "a.txt", "a/b/c"]).is_err());
    }

    #[test]
    fn what_is_not_base64_is_told_with_its_name() {
        let file = ("x.bin".to_owned(), Contents::Bytes { base64: "?".into() });
        let error = decoded([file].into()).unwrap_err();
        assert!(error.message.contains("`x.bin` is not base64"), "{error}");
    }
}
