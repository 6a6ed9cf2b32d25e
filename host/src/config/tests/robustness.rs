//! Nothing that anybody can write makes the check panic, hang or say nothing.

use proptest::prelude::*;

use super::fixture::file;

/// A right file that uses most of what there is.
const RIGHT: &str = r#"
[host]
listen = "127.0.0.1:7433"
plugin_dirs = ["plugins.d", "more"]
keys = [{ name = "me", key_env = "KEY", admin = true, max_priority = "urgent" }]
limits = { body_bytes = "32MiB", header_timeout = "10s", batch = 7 }

[hubs.gadget]
strategy = "weighted"
instances = [{ url = "http://a:1", tags = ["gpu"], weight = 2 }, { url = "http://b:1", id = "b" }]
health = { interval = "10s", timeout = "2s" }
breaker = { failure_threshold = 5, recovery_timeout = "60s", error_rate = 0.5 }
config = { auto_discover = true, ports = [1, 2], colour = "red" }

[providers.toy]
hubs = ["gadget"]
config.aliases = { a = "b" }

[secrets]
cloud = { env = "KEY" }
"#;

#[test]
fn the_right_file_is_right() {
    file(RIGHT).variable("KEY", "0123456789abcdef").settings();
}

#[test]
fn bytes_that_are_not_text_are_a_mistake_with_a_place() {
    let said = file(b"[host]\nautoload = \xff\xfe\n").mistakes();
    assert!(said.contains("not UTF-8"), "{said}");
    assert!(said.contains("plugins.toml:2:12"), "{said}");
}

#[test]
fn a_directory_in_place_of_the_file_is_a_mistake() {
    let fixture = super::fixture::no_file();
    std::fs::create_dir(fixture.path("plugins.toml")).unwrap();
    assert!(fixture.mistakes().contains("it is a directory"));
}

#[test]
fn a_file_beyond_all_measure_is_refused() {
    let said = file(vec![b'#'; 5 << 20]).mistakes();
    assert!(said.contains("larger than 4 MiB"), "{said}");
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    file(text).mistakes();
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    file("\u{feff}[host]\r\nautoload = false\r\n").settings();
}

/// Reads, and renders whatever is wrong in every form.
fn read(text: &str) {
    if let Err(mistakes) = file(text).variable("KEY", "0123456789abcdef").load() {
        assert!(!mistakes.is_empty());
        mistakes.render(true, 80);
        mistakes.render(false, 20);
        mistakes.to_json();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn anything_that_looks_like_toml_is_read_without_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "[host]", "[hubs.gadget]", "[[host.keys]]", "[hubs]", "[providers.toy]", "[secrets]", "hubs = 3",
                "listen = 'x'", "listen = [1]", "keys = {}", "name = 'a'", "key = 'ä'", "hubs = ['a', {}]",
                "hubs = { a = 'b' }", "instances = [{}]", "instances = [[1]]", "health = 1979-05-27",
                "health.interval = '1s'", "weight = inf", "x.y.z = 1", "plugin = 7", "config = { a = [] }", "= 1",
                "\"", "'''", "[", "]]", "start = [1, 'a', {}]", "cloud = { file = '/' }", "cloud = { env = '' }",
            ]),
            0..12,
        ),
    ) {
        read(&lines.join("\n"));
    }

    #[test]
    fn a_right_file_with_anything_spliced_in_is_read_without_panic(
        position in 0..RIGHT.len(),
        length in 0..40usize,
        splice in "[a-z\"'\\[\\]{}=.,0-9 \n#äñ-]{0,8}",
    ) {
        let end = (position + length).min(RIGHT.len());
        read(&format!("{}{splice}{}", &RIGHT[..position], &RIGHT[end..]));
    }

    #[test]
    fn any_flag_is_read_without_panic(set in "\\PC{0,40}", key in "[a-z.\"]{0,12}", value in "\\PC{0,20}") {
        for set in [set, format!("{key}={value}"), format!("hubs.gadget.{key}={value}")] {
            let _ = file(RIGHT).variable("KEY", "0123456789abcdef").set(&set).load();
        }
    }
}

#[test]
fn a_fleet_of_twenty_thousand_is_checked_in_seconds() {
    let instances: Vec<String> = (0..20_000)
        .map(|n| format!("{{ url = \"http://gpu{n}:11434\" }}"))
        .collect();
    let text = format!("[hubs.gadget]\ninstances = [\n{}\n]\n", instances.join(",\n"));
    let begun = std::time::Instant::now();
    assert_eq!(file(text).settings().hubs[0].instances.len(), 20_000);
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}
