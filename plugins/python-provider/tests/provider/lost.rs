//! Runners that misbehave: every request has its answer all the same, and no such box is used again.

use std::path::PathBuf;
use std::time::Duration;

use plugin_api::contract::outcome::Outcome;
use plugin_api::testing::{Harness, ProviderHarness, TestHost};
use plugin_api::{Context, ErrorCode};
use python_provider::PythonProvider;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::support::{call, host, instance, request};

/// A frame as a runner sends it.
fn frame(kind: u8, run: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &[kind], &run.to_be_bytes(), payload].concat()
}

fn hello() -> Vec<u8> {
    frame(16, 0, br#"{"protocol":1,"python":"3.0"}"#)
}

/// Reads frames until the run is there whole, and gives back its number.
async fn read_run(stream: &mut UnixStream) -> u32 {
    loop {
        let (length, kind, run) = (
            stream.read_u32().await.unwrap(),
            stream.read_u8().await.unwrap(),
            stream.read_u32().await.unwrap(),
        );
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if kind == 4 {
            return run;
        }
    }
}

/// What a false runner does with a run: it is given the number and says what to send before it hangs up.
type Deed = fn(u32) -> Vec<u8>;

/// What it does then.
#[derive(Clone, Copy)]
enum After {
    HangsUp,
    Hangs,
    /// It says that it is there whenever it is asked, and no more.
    Answers,
}

struct False {
    provider: ProviderHarness,
    _directory: tempfile::TempDir,
}

impl False {
    /// A provider whose only box does this.
    fn new(greeting: Vec<u8>, deed: Deed, after: After) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path: PathBuf = directory.path().join("control");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let greeting = greeting.clone();
                tokio::spawn(async move {
                    stream.write_all(&greeting).await.unwrap();
                    let run = read_run(&mut stream).await;
                    stream.write_all(&deed(run)).await.unwrap();
                    match after {
                        After::HangsUp => {}
                        After::Hangs => std::future::pending::<()>().await,
                        After::Answers => loop {
                            let mut ping = [0; 9];
                            stream.read_exact(&mut ping).await.unwrap();
                            stream.write_all(&frame(23, run, b"")).await.unwrap();
                        },
                    }
                });
            }
        });
        let host = host(&["sandboxed"]).with_instance("boxes", instance(&path));
        let provider = Harness::new()
            .host(&host)
            .provider::<PythonProvider>(&json!({}))
            .unwrap();
        Self {
            provider,
            _directory: directory,
        }
    }

    fn host(&self) -> &TestHost {
        self.provider.host()
    }

    async fn execute(&self) -> Value {
        call(&self.provider, "python/execute", &json!({ "code": "1" }))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_box_that_is_lost_in_the_middle_is_told_with_what_it_had_said() {
    let lost = False::new(hello(), |run| frame(17, run, b"so far"), After::HangsUp);
    let done = lost.execute().await;
    assert_eq!(
        (&done["outcome"], &done["success"]),
        (&json!("infrastructure"), &json!(false)),
        "{done:#}"
    );
    assert_eq!(done["stdout"], "so far");
    assert!(
        done["error"].as_str().unwrap().contains("can be sent again"),
        "{done:#}"
    );
    assert_eq!(
        lost.host().outcomes(),
        [Outcome::StreamBroken],
        "the box is thrown away"
    );
}

/// The hub hears of the end of a box a little later than whoever talks to it.
#[tokio::test(start_paused = true)]
async fn a_box_that_ended_for_want_of_memory_is_no_fault_of_the_box() {
    for (reason, outcome, error) in [
        (
            "the container ended (out of memory; exit code 137)",
            "oom",
            "the memory was used up",
        ),
        (
            "somebody removed it",
            "infrastructure",
            "somebody removed it; the code may have run in part",
        ),
    ] {
        let lost = False::new(hello(), |_| Vec::new(), After::HangsUp);
        let later = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            lost.host().fail_instance("box-1", reason);
        };
        let (done, ()) = tokio::join!(lost.execute(), later);
        assert_eq!(done["outcome"], outcome, "{done:#}");
        let told = done["error"].as_str().unwrap();
        assert!(told.starts_with(error), "{told}");
        assert_eq!(lost.host().outcomes(), [Outcome::StreamBroken]);
    }
}

#[tokio::test]
async fn nonsense_ends_the_run_and_the_box() {
    let deeds: [Deed; 11] = [
        |run| frame(99, run, b""),
        |run| frame(17, run + 1, b"of another run"),
        |run| frame(22, run, b"no json"),
        |run| frame(20, run, b"\xff"),
        // Files under names that lead a caller elsewhere, and more of them than were asked for.
        |run| frame(20, run, b"\x00\x04../xcontents"),
        |run| frame(20, run, b"\x00\x02/xcontents"),
        |run| {
            (0..101)
                .flat_map(|_| frame(20, run, b"\x00\x01xcontents"))
                .collect()
        },
        |_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        |_| vec![0xff; 64],
        |run| frame(24, run, b"I did not understand"),
        // More than any run within its limits can say.
        |run| {
            (0..60)
                .flat_map(|_| frame(17, run, &vec![b'x'; 1 << 20]))
                .collect()
        },
    ];
    for (number, deed) in deeds.into_iter().enumerate() {
        let boxed = False::new(hello(), deed, After::Hangs);
        let done = boxed.execute().await;
        assert_eq!(done["outcome"], "infrastructure", "{number}: {done:.300}");
        assert_eq!(boxed.host().outcomes(), [Outcome::ServerError], "{number}");
    }
}

#[tokio::test]
async fn a_box_that_is_not_clean_is_thrown_away_though_the_run_went_well() {
    let unclean = False::new(
        hello(),
        |run| frame(22, run, br#"{"outcome":"ok","clean":false}"#),
        After::Hangs,
    );
    assert_eq!(unclean.execute().await["outcome"], "ok");
    assert_eq!(unclean.host().outcomes(), [Outcome::ServerError]);
}

#[tokio::test(start_paused = true)]
async fn a_box_that_says_nothing_is_given_up_after_the_deadline() {
    for (after, seconds, why) in [
        (After::Hangs, 38, "its 30 s, and twice what a word may take"),
        (After::Answers, 50, "its 30 s, and what cleaning up may take"),
    ] {
        let silent = False::new(hello(), |run| frame(17, run, b"x"), after);
        let began = tokio::time::Instant::now();
        let done = silent.execute().await;
        assert_eq!(
            (&done["outcome"], &done["stdout"]),
            (&json!("infrastructure"), &json!("x"))
        );
        assert_eq!(silent.host().outcomes(), [Outcome::TimedOut]);
        assert_eq!(began.elapsed().as_secs(), seconds, "{why}");
    }
}

#[tokio::test]
async fn a_box_that_is_no_runner_is_tried_no_more_than_three_times() {
    let strange: [Vec<u8>; 3] = [
        frame(16, 0, br#"{"protocol":9,"python":"3"}"#),
        frame(17, 0, b"x"),
        b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(),
    ];
    for greeting in strange {
        let boxed = False::new(greeting, |_| Vec::new(), After::Hangs);
        let error = call(&boxed.provider, "python/execute", &json!({ "code": "1" }))
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::CONNECTION_FAILED);
        assert_eq!(boxed.host().outcomes(), [Outcome::ConnectFailed; 3]);
    }
}

#[tokio::test]
async fn a_box_that_is_gone_is_told_as_such() {
    let host = host(&["sandboxed"]).with_instance("boxes", instance("/nowhere/control".as_ref()));
    let provider = Harness::new()
        .host(&host)
        .provider::<PythonProvider>(&json!({}))
        .unwrap();
    let error = call(&provider, "python/execute", &json!({ "code": "1" }))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.retry_after()),
        (ErrorCode::CONNECTION_FAILED, None)
    );
    assert_eq!(host.outcomes(), [Outcome::ConnectFailed; 3]);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_box_in_doubt() {
    let deaf = False::new(hello(), |_| Vec::new(), After::Hangs);
    let context = Context::background("test");
    let work = request("python/execute", false, &json!({ "code": "1" }));
    let waiting = deaf.provider.work(&context, &work);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), waiting)
            .await
            .is_err()
    );
    deaf.host()
        .until("the box is given up", |host| host.held() == 0)
        .await;
    assert_eq!(
        deaf.host().outcomes(),
        [Outcome::Cancelled],
        "it never said that it was clean"
    );
}
