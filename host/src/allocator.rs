//! The allocator of the packaged binaries.

use std::alloc::System;

use spin::Yield;
use spin::mutex::SpinMutex;
use talc::TalcLock;
use talc::source::GlobalAllocSource;

/// talc over the system's allocator.
///
/// Static binaries use musl, whose allocator is slow: it took a third of the instructions of an
/// answer, and asked the system for memory and returned it with every other request of the Web
/// function. Binaries for other targets keep the system's allocator.
pub type Allocator = TalcLock<SpinMutex<(), Yield>, GlobalAllocSource<System>>;

/// Creates an allocator that takes memory from the system in blocks of this size, in bytes.
pub const fn allocator(block_size: usize) -> Allocator {
    TalcLock::new(GlobalAllocSource::with_block_size(System, block_size))
}
