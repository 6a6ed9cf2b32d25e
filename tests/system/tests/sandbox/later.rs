//! The runner on another Python than most of these tests use: that of the official images of today.

use containers::Image;

use crate::python::{Level, Python, served_from};
use crate::{output_values, resources, runner, state, time, waiting};

/// Tests of cases that depend on the interpreter, each in a box of that image.
macro_rules! cases {
    ($($module:ident::$case:ident),+ $(,)?) => {$(
        #[tokio::test]
        async fn $case() {
            if containers::require(Image::Later).is_none() {
                return;
            }
            let host = served_from(Image::Later, "").start().await;
            $module::$case(&Python::of(host, Level::Sandboxed).await).await;
        }
    )+};
}

cases! {
    waiting::x_it_is_closed_to_the_code,
    waiting::x_it_hides_nobody,
    waiting::x_it_finds_its_place_whatever_was_done_to_it,
    state::s1_nothing_is_left,
    state::s2_a_session_remembers,
    time::t1_a_busy_loop,
    time::t4_a_daemon,
    time::t7_ends_that_hang,
    time::t10_a_clean_interpreter_after_a_timeout,
    output_values::o11_large_results,
    output_values::o11_results_that_are_no_json,
    output_values::o11_hostile_results,
    output_values::x_results_are_not_forged,
    resources::r3_memory_by_and_by,
    resources::r9_crashes,
    runner::p1_its_memory_and_its_files,
    runner::p2_its_limits_and_its_turn,
    runner::p3_its_life,
    runner::p4_a_thousand_runs_leave_nothing,
    runner::x_descriptors_passed_on,
}

#[tokio::test]
async fn it_is_another_python_indeed() {
    if containers::require(Image::Later).is_none() {
        return;
    }
    let host = served_from(Image::Later, "").start().await;
    let python = Python::of(host, Level::Sandboxed).await;
    let version = python.run("import sys\nlist(sys.version_info[:2])").await;
    let (major, minor) = (version.result()[0].as_u64(), version.result()[1].as_u64());
    assert!(major == Some(3) && minor >= Some(13), "{version:?}");
    let code = "import random, threading\n[random.random(), threading.main_thread().native_id == threading.get_native_id()]";
    let (first, second) = (python.run(code).await, python.run(code).await);
    assert_ne!(
        first.result()[0],
        second.result()[0],
        "each fork has numbers of its own"
    );
    assert_eq!(second.result()[1], true);
}
