//! There is no network but the box's own.

use std::net::TcpStream;

use serde_json::json;

use crate::support::{everybody, python, start, told};

#[test]
fn nothing_is_reached_but_loopback() {
    let program = r#"
def reach(address, port=80, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as s:
        s.settimeout(5)
        return attempt(lambda: s.connect((address, port)))
def resolve():
    try:
        socket.getaddrinfo("example.com", 80); return "resolved"
    except socket.gaierror:
        return "failed"
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
tell(outside={address: reach(address) for address in ["1.1.1.1", "169.254.169.254", "172.17.0.1", "10.0.0.1", "2606:4700::1111"]},
     udp=reach("8.8.8.8", 53, socket.SOCK_DGRAM), dns=resolve(), loopback=reach("127.0.0.1", listener.getsockname()[1]),
     interfaces=[line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:] if line.split(":")[0].strip() not in ("sit0", "tunl0", "ip6tnl0")])
"#;
    for who in everybody() {
        let results = told(who, &python(program));
        for (address, result) in results["outside"].as_object().unwrap() {
            assert_eq!(result, "ENETUNREACH", "{address} as {who:?}");
        }
        assert_eq!(results["udp"], "ENETUNREACH", "{who:?}");
        assert_eq!(results["dns"], "failed", "{who:?}");
        assert_eq!(results["loopback"], "OK", "{who:?}");
        assert_eq!(results["interfaces"], json!(["lo"]), "{who:?}");
    }
}

#[test]
fn what_listens_in_there_is_not_reached_from_here_and_the_other_way_round() {
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let program = format!(
        r#"
mine = socket.socket(); mine.bind(("0.0.0.0", 0)); mine.listen()
abstract = socket.socket(socket.AF_UNIX)
tell(port=mine.getsockname()[1], host=attempt(lambda: socket.create_connection(("127.0.0.1", {port}))))
control = socket.socket(socket.AF_UNIX); control.bind(os.environ["GLEITZEIT_CONTROL"]); control.listen()
time.sleep(60)
"#
    );
    for who in everybody() {
        let mut running = start(who, &python(&program));
        running.started();
        running.ready();
        drop(running.launcher.stdin.take());
        let results = {
            let outcome = running.outcome();
            outcome.told()
        };
        assert_eq!(results["host"], "ECONNREFUSED", "{who:?}");
    }
    for who in everybody() {
        let bound = "s = socket.socket(); s.bind(('0.0.0.0', 45123)); s.listen()\ncontrol = socket.socket(socket.AF_UNIX); control.bind(os.environ['GLEITZEIT_CONTROL']); control.listen(); time.sleep(60)";
        let mut running = start(who, &python(bound));
        running.started();
        running.ready();
        assert!(TcpStream::connect("127.0.0.1:45123").is_err(), "{who:?}");
    }
}
