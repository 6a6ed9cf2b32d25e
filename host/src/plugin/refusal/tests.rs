use std::time::Duration;

use plugin_api::{Error, ErrorCode, Fault};

use super::{MAX_CHARS, Reason, Refusal};

/// One of each, filled with more than anybody could want to read.
fn all() -> Vec<Reason> {
    let long = "a\nvery \u{1b}[31mlong\t\ttext ".repeat(100);
    let path = std::path::PathBuf::from(&long);
    vec![
        Reason::Unreadable { error: long.clone() },
        Reason::Writable { mode: 0o777 },
        Reason::Owner { owner: 1000, us: 1 },
        Reason::NotAFile,
        Reason::Truncated {
            what: "a segment",
            needs: u64::MAX,
            has: 0,
        },
        Reason::NotElf { found: "text" },
        Reason::Damaged { what: "its header" },
        Reason::Architecture {
            found: long.clone(),
            expected: long.clone(),
        },
        Reason::NotShared { found: "a program" },
        Reason::NoManifest,
        Reason::BadManifest {
            problem: long.clone(),
        },
        Reason::NoEntry { symbol: long.clone() },
        Reason::Api {
            found: long.clone(),
            major: 1,
        },
        Reason::Target { found: long.clone() },
        Reason::PanicMode { found: long.clone() },
        Reason::Processor {
            feature: long.clone(),
        },
        Reason::Duplicate {
            id: long.clone(),
            other: path.clone(),
        },
        Reason::Changed,
        Reason::Staging {
            to: path.clone(),
            error: long.clone(),
        },
        Reason::UndefinedSymbol { symbol: long.clone() },
        Reason::MissingLibrary {
            library: long.clone(),
        },
        Reason::OldSystem {
            version: long.clone(),
        },
        Reason::Open { error: long.clone() },
        Reason::Framework {
            found: long.clone(),
            expected: long.clone(),
        },
        Reason::Layout {
            found: long.clone(),
            place: long.clone(),
            problem: long.clone(),
        },
        Reason::ManifestDiffers,
        Reason::NoSuchComponent { component: "hub" },
        Reason::Construction {
            name: long.clone(),
            message: long.clone(),
            hint: Some(long.clone()),
        },
        Reason::Panicked {
            doing: long.clone(),
            message: long.clone(),
        },
        Reason::Stuck {
            doing: long.clone(),
            limit: Duration::from_secs(10),
        },
        Reason::NoThread { error: long.clone() },
        Reason::Quarantined {
            crashes: 3,
            marker: path,
        },
    ]
}

#[test]
fn every_refusal_is_one_line_of_bounded_length_that_steers_no_terminal() {
    for reason in all() {
        let refusal = Refusal::new("x/".repeat(2000), reason.clone());
        let line = refusal.to_string();
        assert!(
            line.chars().count() <= MAX_CHARS,
            "{}: {line}",
            line.chars().count()
        );
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[test]
fn every_refusal_names_the_file_the_finding_and_the_fix() {
    for reason in all() {
        let line = Refusal::new("plugins.d/a.so", reason.clone()).to_string();
        assert!(line.starts_with("plugins.d/a.so: "), "{line}");
        assert!(line.contains("; "), "{line}");
        let fix = line.rsplit("; ").next().unwrap();
        assert!(fix.len() > 10, "{line}");
    }
}

#[test]
fn as_an_error_it_says_whose_fault_it_is() {
    let error = |reason| Error::from(Refusal::new("a.so", reason).of("a"));
    let panicked = error(Reason::Panicked {
        doing: "x".into(),
        message: "y".into(),
    });
    assert_eq!(
        (panicked.code, panicked.fault),
        (ErrorCode::PANICKED, Fault::Plugin)
    );
    let full = error(Reason::Staging {
        to: "state".into(),
        error: "No space left".into(),
    });
    assert_eq!((full.code, full.fault), (ErrorCode::INIT_FAILED, Fault::Host));
    assert_eq!(full.details["plugin"], "a");
    let newer = error(Reason::Api {
        found: "2.0.0".into(),
        major: 1,
    });
    assert_eq!(newer.code, ErrorCode::VERSION_MISMATCH);
}
