//! The binary `gleitzeit`: everything is in the library.

fn main() -> std::process::ExitCode {
    gleitzeit::cli::main()
}
