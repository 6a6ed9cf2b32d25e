//! The launcher as a program of its own, for machines and tests where the host's binary is not at hand.

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    // Called as the host's binary is: `PROGRAM confine [PART]`.
    arguments.next_if(|first| first == confine::SUBCOMMAND);
    confine::run(arguments.next().as_deref())
}
