//! The program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    assumed::cli::main(std::env::args_os())
}
