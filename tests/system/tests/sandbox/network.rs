//! N: the world outside.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::python::Python;

cases! {
    n1_addresses,
    n2_names,
    n4_listening,
    n5_a_network_is_no_parameter,
}

async fn n1_addresses(python: &Python) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = python.host.url().rsplit(':').next().unwrap().to_owned();
    let attempts = format!(
        r"
def connect(where, kind=socket.SOCK_STREAM, family=socket.AF_INET):
    with socket.socket(family, kind) as outside:
        outside.settimeout(2)
        outside.connect(where)
        outside.send(b'x')
found = {{}}
for where in [('1.1.1.1', 80), ('172.17.0.1', 22), ('172.17.0.1', {port}), ('169.254.169.254', 80), ('127.0.0.1', {port}), ('127.0.0.1', {host}), ('10.0.0.1', 80)]:
    found[str(where)] = tried(connect, where)
    found[str(where) + ' datagram'] = tried(connect, where, socket.SOCK_DGRAM) if where[0] != '127.0.0.1' else 'EPERM'
found['6'] = tried(connect, ('2606:4700:4700::1111', 80), socket.SOCK_STREAM, socket.AF_INET6)
found"
    );
    let found = python.attack(&attempts).await;
    for (place, answer) in found.as_object().unwrap() {
        let answer = answer.as_str().unwrap();
        let unreachable = [
            "ENETUNREACH",
            "ECONNREFUSED",
            "EPERM",
            "EACCES",
            "EAFNOSUPPORT",
            "EADDRNOTAVAIL",
            "ENOSYS",
        ];
        assert!(unreachable.contains(&answer), "{place}: {answer}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it reached a port of this machine");
}

async fn n2_names(python: &Python) {
    let begun = Instant::now();
    let attempts = "{name: tried(socket.getaddrinfo, name, 80) for name in ('example.com', 'secret.attacker.example', 'host.docker.internal')}";
    let found = python.attack(attempts).await;
    for (name, answer) in found.as_object().unwrap() {
        assert!(
            !answer.as_str().unwrap().starts_with("allowed"),
            "{name}: {answer}"
        );
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// It may listen in a world of its own, in which nobody calls.
async fn n4_listening(python: &Python) {
    // Held without listening, so that nobody else is given it; who says that it may be shared could still listen there.
    let holder = tokio::net::TcpSocket::new_v4().unwrap();
    holder.set_reuseaddr(true).unwrap();
    holder.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = holder.local_addr().unwrap().port();
    let code = format!(
        "import socket\nwith socket.create_server(('0.0.0.0', {port})) as server:\n    server.settimeout(2)\n    try:\n        server.accept()\n        result = 'somebody called'\n    except TimeoutError:\n        result = 'nobody called'"
    );
    let listening = async { python.execute(json!({ "code": code, "timeout": 10 })).await };
    let calling = async {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1500) {
            assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (run, ()) = tokio::join!(listening, calling);
    assert_eq!(run.result(), "nobody called", "{run:?}");
}

/// What a box may reach, run as, or mount is the operator's word and cannot be asked for.
async fn n5_a_network_is_no_parameter(python: &Python) {
    for (name, value) in [
        ("network", json!("host")),
        ("image", json!("gleitzeit-test/science")),
        ("user", json!("0:0")),
        ("readable", json!({ "/": "/host" })),
        ("volumes", json!(["/:/host"])),
        ("privileged", json!(true)),
        ("runtime", json!("none")),
        ("capabilities", json!(["SYS_ADMIN"])),
        ("command", json!(["sh"])),
    ] {
        let answer = python.ask(json!({ "code": "1", name: value })).await;
        assert_eq!(answer["error"]["code"], -32602, "{name}: {answer}");
    }
    for limits in [
        json!({ "memory": "64GiB" }),
        json!({ "memory": -1 }),
        json!({ "cpus": 1000 }),
        json!({ "processes": 1_000_000 }),
        json!({ "output_bytes": 1_u64 << 50 }),
        json!({ "nonsense": 1 }),
    ] {
        let answer = python.ask(json!({ "code": "1", "limits": limits })).await;
        assert_eq!(answer["error"]["code"], -32602, "{limits}: {answer}");
    }
    let answer = python
        .ask(json!({ "code": "1", "environment": { "LD_PRELOAD": "/tmp/evil.so" } }))
        .await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let answer = python.ask(json!({ "code": "1", "timeout": 1e9 })).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let mut params = json!({ "code": "1" });
    for level in ["trusted", "none", "../sandboxed", ""] {
        params["level"] = json!(level);
        let answer = python.host.rpc("python/execute", params.clone()).await;
        assert!(answer.get("error").is_some(), "{level}: {answer}");
    }
}
