//! The program: arguments in, exit code out.

use std::alloc::System;
use std::process::ExitCode;

use assumed::sys::memory::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator(System);

fn main() -> ExitCode {
    assumed::cli::main(std::env::args_os())
}
