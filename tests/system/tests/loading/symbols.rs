//! What a plugin exports: its entry and nothing else, so that no two plugins can get at each other's symbols.

use gleitzeit::plugin::inspect;
use object::{Object, ObjectSymbol};
use system::plugins::plugin;

#[test]
fn a_plugin_exports_its_entry_and_nothing_else() {
    for package in [
        "zoo-good",
        "zoo-misbehaves",
        "ollama-hub",
        "openai-hub",
        "docker-hub",
        "process-hub",
        "llm-provider",
    ] {
        let path = plugin(package);
        let bytes = std::fs::read(&path).unwrap();
        let library = object::File::parse(&*bytes).unwrap();
        let exported: Vec<_> = library
            .dynamic_symbols()
            .filter(|symbol| symbol.is_definition() && symbol.is_global())
            .map(|symbol| symbol.name().unwrap().to_owned())
            .collect();
        let entry = inspect(&path).unwrap().manifest.build.unwrap().entry;
        assert_eq!(exported, [entry], "{package}");
    }
}
