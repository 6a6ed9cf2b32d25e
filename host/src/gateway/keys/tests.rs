use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use http::HeaderValue;

use super::*;
use crate::config::settings::SecretSource;

const ALICE: &str = "alice-secret-0123456789";
const ROOT: &str = "root-secret-0123456789";

/// A key file that only its owner may read, as the host demands.
fn file(secret: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{secret}").unwrap();
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o600))
        .unwrap();
    file
}

fn key(name: &str, file: &tempfile::NamedTempFile, admin: bool) -> KeySettings {
    KeySettings {
        name: name.into(),
        source: SecretSource::File(file.path().into()),
        admin,
        max_priority: Priority::Normal,
        max_concurrent: None,
    }
}

fn ring() -> KeyRing {
    let (alice, root) = (file(ALICE), file(ROOT));
    KeyRing::read(
        &[key("alice", &alice, false), key("root", &root, true)],
        &Budget::new(0),
    )
    .unwrap()
}

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static(name),
        HeaderValue::from_str(value).unwrap(),
    )])
}

#[test]
fn without_keys_everyone_is_the_anonymous_administrator() {
    let ring = KeyRing::read(&[], &Budget::new(0)).unwrap();
    let principal = ring.identify(&HeaderMap::new()).unwrap();
    assert_eq!(
        (&*principal.name, principal.admin, principal.by_key),
        ("anonymous", true, false)
    );
}

#[test]
fn a_key_is_known_by_either_header() {
    let ring = ring();
    let bearer = headers("authorization", &format!("bearer  {ALICE}"));
    assert_eq!(&*ring.identify(&bearer).unwrap().name, "alice");
    let own = headers("x-api-key", ROOT);
    let root = ring.identify(&own).unwrap();
    assert_eq!((&*root.name, root.admin), ("root", true));
}

#[test]
fn no_key_a_wrong_key_and_a_near_miss_are_refused_without_being_repeated() {
    let ring = ring();
    let near = format!("Bearer {}", &ALICE[..ALICE.len() - 1]);
    for headers in [
        HeaderMap::new(),
        headers("authorization", "Bearer nobody-knows-this-one"),
        headers("authorization", &near),
        headers("authorization", "Basic YWxpY2U="),
        headers("authorization", "x"),
        headers("x-api-key", ""),
    ] {
        let error = ring.identify(&headers).unwrap_err();
        assert_eq!(error.code, ErrorCode::UNAUTHENTICATED);
        assert!(!format!("{error:?}").contains("alice"), "{error:?}");
    }
}

#[test]
fn a_short_key_is_refused_at_start() {
    let short = file("secret");
    let error = KeyRing::read(&[key("alice", &short, false)], &Budget::new(0)).unwrap_err();
    assert_eq!(error.code, ErrorCode::CONFIGURATION);
    assert!(
        error.message.contains("`alice`") && error.message.contains("16"),
        "{error}"
    );
}

#[test]
fn the_same_key_for_two_callers_is_refused_at_start() {
    let same = file(ALICE);
    let error = KeyRing::read(
        &[key("alice", &same, false), key("bob", &same, false)],
        &Budget::new(0),
    )
    .unwrap_err();
    assert!(
        error.message.contains("`bob`") && error.message.contains("`alice`"),
        "{error}"
    );
}

#[test]
fn nothing_shows_a_key() {
    assert!(!format!("{:?}", ring()).contains("secret"));
}
