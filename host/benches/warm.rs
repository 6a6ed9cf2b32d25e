//! What a resource of a warm pool costs that is ready: taking it off its shelf and giving it back.
//!
//! The goal is well under 100 µs with a specification as long as those that carry a program. `small` is a short one, `long`
//! one of 32 KiB; `among_64` has as many other kinds beside it.

mod common;

use criterion::{Criterion, criterion_group, criterion_main};
use gleitzeit::config::settings::HubSettings;
use plugin_api::contract::requirement::Requirement;
use serde_json::json;

/// A specification that carries a program of so many bytes.
fn wants(number: usize, bytes: usize) -> Requirement {
    let specification = json!({
        "image": format!("image-{number}"),
        "command": ["python3", "-I", "-c", "x".repeat(bytes)],
        "environment": { "LANG": "C.UTF-8", "HOME": "/tmp" },
        "limits": { "memory_bytes": 268_435_456, "cpus": 1.0, "processes": 64 },
        "scratch": [{ "path": "/tmp", "bytes": 67_108_864, "files": 1000, "mode": 0o1777 }],
        "capabilities": ["SETUID", "SETGID", "KILL"],
    });
    Requirement {
        specification: Some(specification),
        ..Requirement::default()
    }
}

fn warm(criterion: &mut Criterion) {
    let cases = [
        ("small", vec![wants(0, 100)]),
        ("long", vec![wants(0, 32 << 10)]),
        ("among_64", (0..64).map(|number| wants(number, 100)).collect()),
    ];
    let mut group = criterion.benchmark_group("warm");
    for (name, kinds) in cases {
        let mut settings = HubSettings::new("bench", "bench-hub");
        settings.warm.max = 256;
        settings.warm.max_uses = u32::MAX;
        let Ok((_runtime, pool)) = common::pool(settings, Vec::new(), &kinds) else {
            return;
        };
        group.bench_function(name, |bencher| common::lease(bencher, &pool, &kinds[0]));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = warm
}
criterion_main!(benches);
