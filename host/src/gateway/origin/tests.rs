use super::*;

fn origins() -> Origins {
    Origins::new(&["Gate.example".into()], &["https://app.example".into()])
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

fn addressed_as(host: &str) -> Result<(), Error> {
    origins().check_host(
        &Uri::from_static("/"),
        &headers(&[("host", host)]),
        Version::HTTP_11,
    )
}

#[test]
fn our_own_names_and_any_address_are_ours() {
    for host in [
        "localhost",
        "localhost:7433",
        "LocalHost.",
        "gateway.localhost:1",
        "127.0.0.1:7433",
        "[::1]:7433",
        "192.168.1.7:7433",
        "gate.EXAMPLE:80",
    ] {
        assert_eq!(addressed_as(host), Ok(()), "{host}");
    }
}

#[test]
fn a_rebound_name_is_refused_with_what_to_do() {
    for host in [
        "evil.example",
        "evil.example:7433",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::1",
    ] {
        match addressed_as(host) {
            Err(error) => assert!(error.hint.unwrap().contains("allowed_hosts"), "{host}"),
            // An unclosed bracket around an address still names no domain.
            Ok(()) => assert_eq!(host, "[::1"),
        }
    }
}

#[test]
fn the_absolute_form_wins_over_the_header() {
    let uri = Uri::from_static("http://evil.example/api");
    let refused = origins().check_host(&uri, &headers(&[("host", "localhost")]), Version::HTTP_11);
    assert_eq!(refused.unwrap_err().code, ErrorCode::FORBIDDEN);
}

#[test]
fn only_http_1_0_may_leave_the_host_out() {
    let check = |version| origins().check_host(&Uri::from_static("/"), &HeaderMap::new(), version);
    assert_eq!(check(Version::HTTP_10), Ok(()));
    assert_eq!(
        check(Version::HTTP_11).unwrap_err().code,
        ErrorCode::INVALID_REQUEST
    );
}

#[test]
fn pages_of_this_machine_allowed_pages_and_our_own_may_call() {
    for origin in [
        "http://localhost:3000",
        "https://127.0.0.1",
        "http://[::1]:8080",
        "https://app.example",
        "http://10.0.0.5:7433",
    ] {
        let sent = headers(&[("origin", origin), ("host", "10.0.0.5:7433")]);
        assert!(origins().check_origin(&sent).unwrap().is_some(), "{origin}");
    }
    assert!(origins().check_origin(&HeaderMap::new()).unwrap().is_none());
}

#[test]
fn other_pages_may_not() {
    for origin in [
        "https://evil.example",
        "null",
        "http://10.0.0.6",
        "https://app.example.evil",
        "file://x",
        "http://localhost.evil",
    ] {
        let sent = headers(&[("origin", origin), ("host", "10.0.0.5:7433")]);
        assert_eq!(
            origins().check_origin(&sent).unwrap_err().code,
            ErrorCode::FORBIDDEN,
            "{origin}"
        );
    }
}

#[test]
fn a_star_lets_every_page_in() {
    let open = Origins::new(&[], &["*".into()]);
    assert!(
        open.check_origin(&headers(&[("origin", "https://any.example")]))
            .is_ok()
    );
}
