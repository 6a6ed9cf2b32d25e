//! Plays the host's binary: called as `LAUNCHER confine [PART]`.

fn main() -> std::process::ExitCode {
    confine::run(std::env::args().nth(2).as_deref())
}
