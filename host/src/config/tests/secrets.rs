//! Secrets come from files and variables, and are never shown.

use super::fixture::file;
use crate::config::settings::SecretSource;

#[test]
fn keys_come_from_files_and_variables() {
    let text = "[[host.keys]]\nname = 'a'\nkey_file = 'a.key'\n[[host.keys]]\nname = 'b'\nkey_env = 'B'\nadmin = true";
    let fixture = file(text)
        .write("a.key", "0123456789abcdef\n", 0o600)
        .variable("B", "0123456789abcdef");
    let settings = fixture.settings();
    assert_eq!(
        settings.host.keys[0].source,
        SecretSource::File(fixture.path("a.key"))
    );
    assert_eq!(
        settings.host.keys[1].source,
        SecretSource::Environment("B".to_owned())
    );
    assert!(settings.host.keys[1].admin && !settings.host.keys[0].admin);
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let said = file("[secrets]\ncloud = { file = 'k' }")
        .write("k", "x", 0o644)
        .mistakes();
    assert!(said.contains("may be used by every user"), "{said}");
    assert!(said.contains("chmod o="), "{said}");
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    let said = file("[[host.keys]]\nname = 'a'\nkey_env = 'A'")
        .variable("A", "hunter2")
        .mistakes();
    assert!(
        said.contains("can be guessed") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn the_key_of_an_instance_is_looked_at_as_well() {
    let text = "[[hubs.gadget.instances]]\nurl = 'http://a:1'\nconfig = { key_env = 'NOT_THERE' }";
    assert!(file(text).mistakes().contains("`NOT_THERE` is not set"));
    file(text).variable("NOT_THERE", "x").settings();
    let text = "[[hubs.gadget.instances]]\nurl = 'http://a:1'\nconfig = { key_file = 'k' }";
    assert!(
        file(text)
            .write("k", "x", 0o644)
            .mistakes()
            .contains("may be used by every user")
    );
    let fixture = file(text).write("k", "x", 0o600);
    assert_eq!(
        fixture.settings().hubs[0].instances[0].config["key_file"],
        fixture.path("k").to_str().unwrap()
    );
}

#[test]
fn an_empty_key_file_is_refused() {
    let said = file("[secrets]\ncloud = { file = 'k' }")
        .write("k", " \n", 0o600)
        .mistakes();
    assert!(said.contains("k is empty"), "{said}");
}

#[test]
fn a_file_of_settings_that_anybody_may_write_is_refused() {
    let said = file("").write("plugins.toml", "[host]", 0o666).mistakes();
    assert!(said.contains("may be written by anybody"), "{said}");
}

#[test]
fn beyond_loopback_a_key_or_an_explicit_word_is_enough() {
    file("[host]\nlisten = '0.0.0.0:1'\nallow_anonymous = true").settings();
    file("[host]\nlisten = '0.0.0.0:1'\nkeys = [{ name = 'a', key_env = 'A' }]")
        .variable("A", "0123456789abcdef")
        .settings();
    let said = file("[host]").variable("GLEITZEIT_LISTEN", "[::]:1").mistakes();
    assert!(said.contains("beyond loopback"), "{said}");
}

#[test]
fn no_mistake_shows_a_secret() {
    let texts = [
        "[[host.keys]]\nname = 'a'\nkey = 'hunter2'",
        "[[host.keys]]\nname = 'a'\nkey = 'hunter2",
        "[secrets]\ncloud = 'hunter2'",
        "[secrets]\ncloud = { value = 'hunter2' }",
        "[hubs.gadget]\nconfig = { api_key = 'hunter2' }\n",
        "[hubs.gadget]\nconfig = { token = ['hunter2'] }\n",
        "[hubs.gadget]\ninstances = [{ url = 'http://u:hunter2@h:1' }]",
        "secrets.cloud = 'hunter2'",
        "[hubs.gadget]\npassword = 'hunter2'\nbroken",
    ];
    for text in texts {
        let mistakes = file(text).load().unwrap_err();
        let said =
            mistakes.render(false, 100) + &mistakes.render(true, 100) + &mistakes.to_json().to_string();
        assert!(!said.contains("hunter2"), "{text}\n{said}");
    }
    let said = file("")
        .set("host.keys=[{ name = 'a', key = 'hunter2' }]")
        .mistakes();
    assert!(!said.contains("hunter2"), "{said}");
    let said = file("").set("hubs.gadget.config.api_key=hunter2").mistakes();
    assert!(!said.contains("hunter2"), "{said}");
    let said = file("")
        .variable("GLEITZEIT_SECRETS__CLOUD", "hunter2")
        .mistakes();
    assert!(!said.contains("hunter2"), "{said}");
}
