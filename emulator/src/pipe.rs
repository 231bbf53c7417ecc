//! Reads the function's output into the log.

use std::{
    io, mem,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    task::JoinHandle,
};

use crate::log::{Log, Source};

/// Maximum line, in bytes: the platform's maximum log message
/// (<https://cloud.tencent.com/document/product/583/37363>). A longer line is split.
const MAX_LINE: usize = 8 * 1024;

/// The read end of the function's standard output or standard error. A task reads it.
pub(crate) struct Pipe {
    /// The same pipe, to ask how many bytes it holds.
    probe: OwnedFd,
    /// Number of bytes read so far.
    read: watch::Receiver<usize>,
    /// The start of a line whose end has not been read.
    partial: Arc<Mutex<Vec<u8>>>,
    source: Source,
    log: Arc<Log>,
    reader: JoinHandle<()>,
}

impl Pipe {
    /// Starts the reader.
    pub(crate) fn new(
        pipe: impl AsyncRead + AsFd + Unpin + Send + 'static,
        source: Source,
        log: Arc<Log>,
    ) -> io::Result<Self> {
        let probe = pipe.as_fd().try_clone_to_owned()?;
        let (sender, read) = watch::channel(0);
        let partial = Arc::new(Mutex::default());
        let reader = tokio::spawn(read_lines(pipe, source, log.clone(), sender, partial.clone()));
        Ok(Self { probe, read, partial, source, log, reader })
    }

    /// Waits until the log has all lines that the pipe holds now.
    ///
    /// The reader runs on this thread and counts the bytes of a read before it yields. So each
    /// byte is either in the pipe or counted.
    pub(crate) async fn drain(&self) {
        let in_pipe = rustix::io::ioctl_fionread(&self.probe).unwrap_or(0);
        let mut read = self.read.clone();
        let target = *read.borrow() + usize::try_from(in_pipe).unwrap_or(0);
        // An error means that the reader has ended, and so has read everything.
        let _ = read.wait_for(|read| *read >= target).await;
    }

    /// Waits until the log has everything that the pipe holds, after the function has ended. It
    /// does not wait for EOF: a process that escaped may keep the pipe open.
    pub(crate) async fn finish(&self) {
        self.drain().await;
        self.reader.abort();
        let partial = mem::take(&mut *lock(&self.partial));
        if !partial.is_empty() {
            self.log.push(self.source, text(&partial));
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_lines(
    mut pipe: impl AsyncRead + Unpin,
    source: Source,
    log: Arc<Log>,
    read: watch::Sender<usize>,
    partial: Arc<Mutex<Vec<u8>>>,
) {
    let mut buffer = vec![0; MAX_LINE];
    // A read error counts as EOF.
    while let Ok(bytes @ 1..) = pipe.read(&mut buffer).await {
        let mut partial = lock(&partial);
        for piece in buffer[..bytes].split_inclusive(|byte| *byte == b'\n') {
            let line = piece.strip_suffix(b"\n");
            let mut piece = line.unwrap_or(piece);
            while partial.len() + piece.len() > MAX_LINE {
                let (start, rest) = piece.split_at(MAX_LINE - partial.len());
                partial.extend_from_slice(start);
                log.push(source, text(&mem::take(&mut *partial)));
                piece = rest;
            }
            partial.extend_from_slice(piece);
            if line.is_some() {
                log.push(source, text(&mem::take(&mut *partial)));
            }
        }
        drop(partial);
        read.send_modify(|read| *read += bytes);
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

fn lock(partial: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    // The bytes are valid even after a panic.
    partial.lock().unwrap_or_else(PoisonError::into_inner)
}
