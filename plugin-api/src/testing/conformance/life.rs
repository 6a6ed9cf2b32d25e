//! What hubs and providers have in common: how they live behind the boundary, and how they end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::abi::client::Client;
use crate::testing::TestHost;
use crate::{Context, Error, ErrorCode};

/// How long anything may take here.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// A name for a component under test, hence for its threads, which no other test in this process has.
pub(super) fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("kit{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs something that must come to an end.
pub(super) async fn within<T>(what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(LIMIT, work)
        .await
        .map_err(|_| format!("{what} did not end within {} s", LIMIT.as_secs()))
}

/// Messages that no host sends are answered with an error.
pub(super) async fn garbage(client: &Client, calls: &[&str], opens: &[&str]) -> Vec<String> {
    let context = Context::background("conformance");
    let mut problems = Vec::new();
    for garbage in [b"".as_slice(), b"\xff\xff\xff\xff\xff", b"[[[["] {
        for op in calls.iter().chain(["no-such-operation"].iter()) {
            let answered = within(op, client.call(op, &context, garbage.to_vec())).await;
            problems.extend(accepted(op, garbage, answered.map(|answer| answer.is_ok())));
        }
        for op in opens.iter().chain(["no-such-operation"].iter()) {
            let answered = within(op, client.open(op, &context, garbage.to_vec())).await;
            problems.extend(accepted(op, garbage, answered.map(|answer| answer.is_ok())));
        }
    }
    problems
}

fn accepted(op: &str, garbage: &[u8], answer: Result<bool, String>) -> Option<String> {
    match answer {
        Ok(false) => None,
        Ok(true) => Some(format!(
            "`{op}` accepted {:?}",
            garbage.escape_ascii().to_string()
        )),
        Err(problem) => Some(problem),
    }
}

/// The end: in time, for good, without a thread left.
pub(super) async fn end(
    name: &str,
    client: &Client,
    host: &TestHost,
    shutdown: impl AsyncFn(),
) -> Vec<String> {
    let mut problems = Vec::new();
    for time in ["shutdown", "a second shutdown"] {
        problems.extend(within(time, shutdown()).await.err());
    }
    match client.query("adopt", b"{}") {
        Err(Error {
            code: ErrorCode::GONE,
            ..
        }) => {}
        Err(error) => problems.push(format!("after shutdown it answered {error:?} instead of GONE")),
        Ok(_) => problems.push("after shutdown it still answered".to_owned()),
    }
    if host.held() > 0 {
        problems.push(format!("{} leases were never released", host.held()));
    }
    let ended = async {
        while threads(name) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if within("its threads", ended).await.is_err() {
        problems.push("threads of its runtime are left: something blocks them".to_owned());
    }
    problems
}

/// How many threads of the component's runtime there are; none where the system does not tell.
fn threads(component: &str) -> usize {
    let thread = format!("plg-{component}");
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let named = tasks.flatten().filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == thread)
    });
    named.count()
}
